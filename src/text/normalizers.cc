// text/normalizers.cc
#include "text/normalizers.h"

#include <utility>

#include "text/byte_alphabet.h"
#include "text/charsmap.h"
#include "text/expansion.h"
#include "text/pattern.h"
#include "text/pattern_part.h"
#include "text/unicode.h"

namespace mop {
namespace {

// Flattens nested sequences, because each step is checked against the length of the original text.
void add_steps(const PartJson& part, std::vector<Normalizer>& steps) {
  if (!part.is_object() || part_field<std::string>(part, "type", "") != "Sequence") {
    steps.push_back(make_normalizer(part));
    return;
  }
  const auto it = part.find("normalizers");
  if (it == part.end() || !it->is_array()) throw bad_input("a Sequence has no list `normalizers`");
  for (const PartJson& inner : *it) add_steps(inner, steps);
}

Normalizer make_sequence(const PartJson& part) {
  std::vector<Normalizer> made;
  add_steps(part, made);
  return [steps = std::move(made)](std::string text) {
    const size_t before = text.size();
    for (const Normalizer& step : steps) {
      text = step(std::move(text));
      check_expansion(before, text.size());
    }
    return text;
  };
}

Normalizer make_prepend(const PartJson& part) {
  return [prefix = part_field<std::string>(part, "prepend", "")](std::string text) {
    if (text.empty()) return text;
    check_expansion(text.size(), text.size() + prefix.size());
    return prefix + text;
  };
}

Normalizer make_replace(const PartJson& part) {
  return [pattern = read_pattern(part), content = part_field<std::string>(part, "content", "")](
             std::string text) { return pattern.replace_all(text, content); };
}

template <NormalForm kForm>
Normalizer make_normal_form(const PartJson&) {
  return [](std::string text) { return to_normal_form(text, kForm); };
}

Normalizer make_lowercase(const PartJson&) {
  return [](std::string text) { return to_lower_case(text); };
}

Normalizer make_strip(const PartJson& part) {
  const bool left = part_field(part, "strip_left", true);
  const bool right = part_field(part, "strip_right", true);
  return [left, right](std::string text) {
    size_t begin = 0;
    while (left && begin < text.size() && is_white_space(code_point_at(text, begin).value)) {
      begin += code_point_at(text, begin).bytes;
    }
    size_t end = text.size();
    while (right && end > begin && is_white_space(code_point_before(text, end).value)) {
      end -= code_point_before(text, end).bytes;
    }
    return text.substr(begin, end - begin);
  };
}

Normalizer make_strip_accents(const PartJson&) {
  return [](std::string text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      if (!is_mark(c.value)) out += text.substr(at, c.bytes);
      at += c.bytes;
    }
    return out;
  };
}

Normalizer make_byte_level(const PartJson&) {
  return [](std::string text) { return to_byte_alphabet(text); };
}

Normalizer make_precompiled(const PartJson& part) {
  return [map = Charsmap(part_field<std::string>(part, "precompiled_charsmap", ""))](
             std::string text) { return map.replace(text); };
}

// Removes control characters and replaces rare kinds of white space by blanks.
Normalizer make_nmt(const PartJson&) {
  return [](std::string text) {
    constexpr std::u32string_view kDropped =
        U"\x01\x02\x03\x04\x05\x06\x07\x08\x0B\x0E\x0F\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A"
        U"\x1B\x1C\x1D\x1E\x1F\x7F\u008F\u009F";
    constexpr std::u32string_view kBlank =
        U"\t\n\f\r\u1680\u200B\u200C\u200D\u200E\u200F\u2028\u2029\u2581\uFEFF\uFFFD";
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      if (kBlank.find(c.value) != kBlank.npos) {
        out += ' ';
      } else if (kDropped.find(c.value) == kDropped.npos) {
        out += text.substr(at, c.bytes);
      }
      at += c.bytes;
    }
    return out;
  };
}

constexpr Component<Normalizer> kNormalizers[] = {
    {"Sequence", make_sequence},
    {"Prepend", make_prepend},
    {"Replace", make_replace},
    {"NFC", make_normal_form<NormalForm::kC>},
    {"NFD", make_normal_form<NormalForm::kD>},
    {"NFKC", make_normal_form<NormalForm::kKC>},
    {"NFKD", make_normal_form<NormalForm::kKD>},
    {"Lowercase", make_lowercase},
    {"Strip", make_strip},
    {"StripAccents", make_strip_accents},
    {"ByteLevel", make_byte_level},
    {"Precompiled", make_precompiled},
    {"Nmt", make_nmt},
};

}  // namespace

Normalizer make_normalizer(const PartJson& part) {
  if (part.is_null()) return [](std::string text) { return text; };
  return make_component<Normalizer>(kNormalizers, part, "normalizer");
}

}  // namespace mop
