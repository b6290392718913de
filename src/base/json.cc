// base/json.cc
#include "base/json.h"

#include <yaml-cpp/yaml.h>

#include <charconv>

#include "base/error.h"
#include "base/files.h"

namespace mop {

Json read_json(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    throw bad_input("not valid JSON: {}", e.what()).where("file", path.string());
  }
}

namespace {

// A plain YAML scalar by the core schema; a quoted one is always a text.
Json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  int64_t integer = 0;
  const char* end = text.data() + text.size();
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  if (auto r = std::from_chars(begin, end, integer); r.ec == std::errc() && r.ptr == end) return integer;
  double number = 0;
  if (auto r = std::from_chars(begin, end, number); r.ec == std::errc() && r.ptr == end) return number;
  return text;
}

Json from_yaml(const YAML::Node& node) {
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& item : node) {
      const std::string key = item.first.Scalar();
      if (object.contains(key)) throw bad_input("key '{}' stands twice", key);
      object[key] = from_yaml(item.second);
    }
    return object;
  }
  if (node.IsSequence()) {
    Json array = Json::array();
    for (const auto& item : node) array.push_back(from_yaml(item));
    return array;
  }
  return node.IsScalar() ? scalar(node) : Json(nullptr);
}

void emit(YAML::Emitter& out, const Json& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, item] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      emit(out, item);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << YAML::Flow << YAML::BeginSeq;
    for (const auto& item : value) emit(out, item);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    // Quoted when it would otherwise be read back as something else.
    const auto& text = value.get_ref<const std::string&>();
    YAML::Node plain(text);
    if (!scalar(plain).is_string()) out << YAML::DoubleQuoted;
    out << text;
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

}  // namespace

Json parse_yaml(const std::string& text, const std::string& where) {
  try {
    return from_yaml(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    throw bad_input("not valid YAML: {}", e.what()).where("file", where);
  } catch (Error& e) {
    throw std::move(e).where("file", where);
  }
}

Json read_yaml(const std::filesystem::path& path) {
  return parse_yaml(read_file(path), path.string());
}

std::string to_yaml(const Json& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

std::string to_text(const Json& value) { return value.dump(2) + "\n"; }

namespace {

template <typename T>
bool holds(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, int64_t>) {
    return value.is_number_integer();
  }
  if constexpr (std::is_same_v<T, double>) return value.is_number();
  return value.is_string();
}

template <typename T>
constexpr const char* kind_of() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int64_t>) return "a whole number";
  if constexpr (std::is_same_v<T, double>) return "a number";
  return "a text";
}

template <typename T>
T checked(const Json& value, std::string_view key, std::string_view where) {
  if constexpr (!std::is_same_v<T, std::string>) {
    if (holds<T>(value)) return value.get<T>();
  } else if (value.is_string()) {
    return value.get<std::string>();
  }
  throw bad_input("'{}' must be {}, got {}", key, kind_of<T>(), value.dump())
      .where("file", std::string(where));
}

}  // namespace

template <typename T>
T require(const Json& object, std::string_view key, std::string_view where) {
  const auto it = object.find(std::string(key));
  if (it == object.end() || it->is_null()) {
    throw bad_input("the key '{}' is missing", key).where("file", std::string(where));
  }
  return checked<T>(*it, key, where);
}

template <typename T>
T get_or(const Json& object, std::string_view key, T fallback, std::string_view where) {
  const auto it = object.find(std::string(key));
  if (it == object.end() || it->is_null()) return fallback;
  return checked<T>(*it, key, where);
}

template int64_t require<int64_t>(const Json&, std::string_view, std::string_view);
template double require<double>(const Json&, std::string_view, std::string_view);
template std::string require<std::string>(const Json&, std::string_view, std::string_view);
template int64_t get_or<int64_t>(const Json&, std::string_view, int64_t, std::string_view);
template double get_or<double>(const Json&, std::string_view, double, std::string_view);
template bool get_or<bool>(const Json&, std::string_view, bool, std::string_view);
template std::string get_or<std::string>(const Json&, std::string_view, std::string, std::string_view);

}  // namespace mop
