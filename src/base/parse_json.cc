// base/parse_json.cc -- builds the values itself, because the library's ordered objects search all
// keys on each insertion, which is quadratic.
#include "base/parse_json.h"

#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/library_error.h"
#include "base/plain_text.h"

namespace mop {
namespace {

constexpr size_t kLongestQuote = 200;  // bytes of the text that an error quotes

template <typename J>
class Builder final : public nlohmann::json_sax<J> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(int64_t value) override { return put(value); }
  bool number_unsigned(uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(typename J::binary_t&) override { return false; }
  bool start_object(size_t) override { return open(J::object()); }
  bool start_array(size_t) override { return open(J::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& key) override {
    key_ = std::move(key);
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& e) override {
    throw bad_input("{}", json_complaint(e));
  }
  J take() { return std::move(root_); }

 private:
  struct Level {
    J* value;
    std::unordered_set<std::string> keys = {};
  };

  bool put(J value) {
    place(std::move(value));
    return true;
  }
  bool open(J value) {
    if (std::ssize(levels_) == kDeepestJson)
      throw bad_input("objects and lists are nested more than {} deep", kDeepestJson);
    J* placed = place(std::move(value));
    levels_.push_back({placed});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  // The returned pointer stays valid: the enclosing value grows only after this one is closed.
  J* place(J value) {
    if (levels_.empty()) return &(root_ = std::move(value));
    Level& level = levels_.back();
    if (level.value->is_array()) {
      auto& list = level.value->template get_ref<typename J::array_t&>();
      list.push_back(std::move(value));
      return &list.back();
    }
    if (!level.keys.insert(key_).second)
      throw bad_input("the key '{}' stands twice", shortened(key_, kLongestQuote));
    auto& object = level.value->template get_ref<typename J::object_t&>();
    if constexpr (std::is_same_v<J, Json>) {
      object.emplace_back(std::move(key_), std::move(value));
      return &object.back().second;
    } else {
      return &object.emplace(std::move(key_), std::move(value)).first->second;
    }
  }

  J root_;
  std::vector<Level> levels_;
  std::string key_;
};

template <typename J>
J parse(std::string_view text, std::string_view what) {
  Builder<J> builder;
  try {
    J::sax_parse(text.begin(), text.end(), &builder);
  } catch (const Error& e) {
    std::string complaint = e.message();
    constexpr std::string_view kLine = "at line 1, ";
    const size_t at = complaint.find(kLine);
    if (at != complaint.npos && text.find('\n') == text.npos)
      complaint.replace(at, kLine.size(), "at ");
    throw bad_input("{}: {}", what, complaint);
  }
  return builder.take();
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what) { return parse<Json>(text, what); }

nlohmann::json parse_sorted_json(std::string_view text, std::string_view what) {
  return parse<nlohmann::json>(text, what);
}

std::optional<Json> try_parse_json(std::string_view text) {
  try {
    return parse_json(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace mop
