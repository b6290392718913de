// base/json.cc
#include "base/json.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/library_error.h"
#include "base/narrow.h"
#include "base/parse_json.h"

namespace mop {

Json read_json(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  try {
    return parse_json(text);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
}

namespace {

// Parses the whole text as a number of the given type.
template <typename T, typename... Base>
std::optional<T> parse_whole(std::string_view text, Base... base) {
  T value{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value, base...);
  if (text.empty() || result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<Json> parse_integer(std::string_view text) {
  if (text.starts_with("0x")) {
    if (const auto value = parse_whole<uint64_t>(text.substr(2), 16)) return *value;
    return std::nullopt;
  }
  if (text.starts_with("0o")) {
    if (const auto value = parse_whole<uint64_t>(text.substr(2), 8)) return *value;
    return std::nullopt;
  }
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  if (const auto value = parse_whole<int64_t>(text)) return *value;
  if (const auto value = parse_whole<uint64_t>(text)) return *value;
  return std::nullopt;
}

std::optional<Json> parse_real(std::string_view text) {
  const bool sign = text.starts_with('+') || text.starts_with('-');
  const std::string_view plain = text.substr(sign ? 1 : 0);
  const double direction = text.starts_with('-') ? -1.0 : 1.0;
  if (plain == ".inf" || plain == ".Inf" || plain == ".INF") return direction * INFINITY;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return NAN;
  // std::from_chars also accepts "inf" and "nan", which are strings in YAML.
  if (plain.empty() || !(std::isdigit(static_cast<unsigned char>(plain[0])) || plain[0] == '.')) {
    return std::nullopt;
  }
  if (const auto value = parse_whole<double>(plain)) return direction * *value;
  return std::nullopt;
}

// Converts a plain YAML scalar by the core schema. Quoted scalars and those tagged !!str are
// strings.
Json scalar(const std::string& text, const std::string& tag) {
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return text;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (const auto integer = parse_integer(text)) return *integer;
  if (const auto real = parse_real(text)) return *real;
  return text;
}

// Limits well above what our files need. An alias can contain itself, and a few lines of aliases
// can expand to gigabytes.
constexpr int kMaxDepth = 64;
constexpr size_t kMaxYamlBytes = 1 << 20;
constexpr size_t kValueBytes = 64;  // approximate memory of a value besides its text

void check_size(size_t bytes) {
  if (bytes <= kMaxYamlBytes) return;
  throw bad_input(
      "the YAML holds more than {} KiB of values, each alias counted as what it "
      "stands for",
      kMaxYamlBytes >> 10);
}

// Adds the size of the created values to `bytes`.
Json from_yaml(const YAML::Node& node, size_t& bytes, int depth = 0) {
  if (depth > kMaxDepth) throw bad_input("the YAML is nested more than {} levels deep", kMaxDepth);
  check_size(bytes += kValueBytes + (node.IsScalar() ? node.Scalar().size() : 0));
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& item : node) {
      if (!item.first.IsScalar()) throw bad_input("a key of a YAML map must be a plain text");
      const std::string key = item.first.Scalar();
      if (object.contains(key)) throw bad_input("key '{}' stands twice", key);
      bytes += key.size();
      object[key] = from_yaml(item.second, bytes, depth + 1);
    }
    return object;
  }
  if (node.IsSequence()) {
    Json array = Json::array();
    for (const auto& item : node) array.push_back(from_yaml(item, bytes, depth + 1));
    return array;
  }
  return node.IsScalar() ? scalar(node.Scalar(), node.Tag()) : Json(nullptr);
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
    // Quotes strings that YAML would otherwise read back as another type.
    const auto& text = value.get_ref<const std::string&>();
    if (!scalar(text, "?").is_string()) out << YAML::DoubleQuoted;
    out << text;
  } else if (value.is_null()) {
    out << YAML::Null;
  } else if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double number = value.get<double>();
    out << (std::isnan(number) ? ".nan" : number > 0 ? ".inf" : "-.inf");
  } else {
    out << value.dump();
  }
}

}  // namespace

Json parse_yaml(const std::string& text, const std::string& where) {
  try {
    check_size(text.size());
    size_t bytes = 0;
    Json value = from_yaml(YAML::Load(text), bytes);
    value.dump();  // rejects invalid UTF-8 here rather than when the value is printed
    return value;
  } catch (const YAML::DeepRecursion&) {  // its words are "bad file"
    throw bad_input("the YAML is nested more than {} levels deep", kMaxDepth).where("file", where);
  } catch (const YAML::Exception& e) {
    throw bad_input("not valid YAML: {}", e.what()).where("file", where);
  } catch (const Json::exception& e) {
    throw bad_input("not valid YAML: {}", json_complaint(e)).where("file", where);
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

std::string to_text(const Json& value) {
  // Paths may hold invalid UTF-8; it is replaced, so that it does not end a run.
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

namespace {

template <typename T>
bool holds(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, int64_t>) {
    return is_whole_number(value);
  }
  if constexpr (std::is_same_v<T, double>)
    return value.is_number() &&
           std::isfinite(value.get<double>());  // excludes YAML's infinities and NaN
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
template std::string get_or<std::string>(const Json&, std::string_view, std::string,
                                         std::string_view);

}  // namespace mop
