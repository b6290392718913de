// tests/fuzz/json_mutator.h -- changes JSON as a tree: a byte that changes is most often no JSON
// any more, and what is behind the parser never seen. In a target: MOP_MUTATE_JSON(Json), or for a
// reader of YAML, which JSON is too, MOP_MUTATE_JSON(YAML).
#pragma once
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "fuzz/target.h"

namespace mop::testing {

class JsonMutator {
 public:
  explicit JsonMutator(unsigned int seed) : random_(seed) {}

  /// Changes one value or key, or a few.
  void mutate(Json& root) {
    for (size_t times = 1 + below(3); times > 0; --times) {
      std::vector<Json*> all;
      collect(root, all);
      change(*all[below(all.size())], *all[below(all.size())]);
    }
  }

 private:
  size_t below(size_t count) { return random_() % count; }

  static void collect(Json& value, std::vector<Json*>& all) {
    all.push_back(&value);
    if (value.is_structured()) {
      for (Json& inner : value) collect(inner, all);
    }
  }

  void change(Json& value, const Json& other) {
    switch (below(4)) {
      case 0:
        value = extreme();
        break;
      case 1:
        value = Json(other);
        break;
      case 2:
        value.is_structured() && !value.empty() ? change_members(value) : nudge(value);
        break;
      default:
        nudge(value);
    }
  }

  Json extreme() {
    static const Json all = Json::parse(
        R"([null, true, false, 0, 1, -1, 2, 2147483647, 2147483648, 9007199254740993,
            9223372036854775807, -9223372036854775808, 18446744073709551615, 0.5, -0.0, 1e-320,
            1e308, -1e308, "", "x", "\u00e9", [], {}, [1, 2], [[]], {"": 1}])");
    if (below(all.size() + 1) == 0) return std::string(300, 'a');
    return all[below(all.size())];
  }

  void change_members(Json& value) {
    const size_t at = below(value.size());
    if (value.is_array()) {
      if (below(2) == 0) return value.erase(at);
      const Json copy = value[at];
      for (size_t times = below(2) == 0 ? 1 : 40; times > 0; --times) value.push_back(copy);
      return;
    }
    const auto member = [&](size_t which) {
      return std::next(value.begin(), static_cast<std::ptrdiff_t>(which));
    };
    if (below(2) == 0) {
      value.erase(member(at));
    } else {
      const Json copy = *member(at);
      value[below(2) == 0 ? member(at).key() + "_" : member(below(value.size())).key()] = copy;
    }
  }

  void nudge(Json& value) {
    if (value.is_number_integer()) {
      const auto number = static_cast<uint64_t>(value.get<int64_t>());
      const uint64_t near[] = {number + 1, number - 1, number * 2, 0 - number, number << 32};
      value = static_cast<int64_t>(near[below(std::size(near))]);
    } else if (value.is_number_float()) {
      value = value.get<double>() * (below(2) == 0 ? -1 : 1e30);
    } else if (value.is_string()) {
      std::string text = value.get<std::string>();
      const size_t size = text.size();
      text.resize(size + 16);
      text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), size, size + 16));
      value = text;
    } else {
      value = extreme();
    }
  }

  std::minstd_rand random_;
};

/// Two times of three a change of the tree; else, and where there is none, of bytes.
template <typename Parse>
size_t mutate_tree(Parse parse, uint8_t* data, size_t size, size_t most, unsigned int seed) {
  if (seed % 3 == 0) return LLVMFuzzerMutate(data, size, most);
  try {
    Json tree = parse(std::string(reinterpret_cast<const char*>(data), size));
    JsonMutator(seed).mutate(tree);
    const std::string text = tree.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > most) return LLVMFuzzerMutate(data, size, most);
    std::memcpy(data, text.data(), text.size());
    return text.size();
  } catch (const std::exception&) {
    return LLVMFuzzerMutate(data, size, most);
  }
}

inline Json parse_as_Json(const std::string& text) { return Json::parse(text); }
inline Json parse_as_YAML(const std::string& text) { return parse_yaml(text, "file"); }

}  // namespace mop::testing

#define MOP_MUTATE_JSON(format)                                                                \
  extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most,           \
                                            unsigned int seed) {                               \
    return mop::testing::mutate_tree(mop::testing::parse_as_##format, data, size, most, seed); \
  }
