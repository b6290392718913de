// text/ggml_pre_tokenizers.cc -- finds the row that splits text as a tokenizer.json does.
#include "text/ggml_pre_tokenizers.h"

#include <algorithm>

#include "base/parse_json.h"
#include "text/pre_tokenizers.h"

namespace mop {
namespace {

// One or two characters of each class that a regex of the table distinguishes.
constexpr std::string_view kKinds[] = {
    "a",      "B",      "\u00e9",     "\u00c9", "\u01c5", "\u02b0", "\u05d0", "\u4e2d", "\u3042",
    "\uac00", "\u0301", "\u3105",     "7",      "\u0663", "\u2167", " ",      "\n",     "\r",
    "\t",     "\u00a0", "\u3000",     ".",      "'",      "/",      "$",      "<",      "`",
    "\u2026", "\u20ac", "\U0001f600", "(",      "|",      "\u200d"};

constexpr std::string_view kLonger[] = {
    "I'm you're we've he'll it's don't I'd I'M YOU'RE WE'VE HE'LL IT'S DON'T I'D",
    "Caf\u00e9's \u00c9COLE's camelCase HTTPServer's",
    "1 12 123 1234 12345 123456 1234567 1234567890123 a1b22c333d4444",
    "a b  c   d    e     f      g       h        i         j          k           l",
    "\n \n\n  \n\t\n   x\n    y\r\n\r\n  z \r \n. \n.\n\n!\r\n/\n//\n",
    "# if (x >= 10) { return a[i] += 0x1F / 3.14; } // done",
    "https://example.org/a_b?c=d&e=%20 <|im_start|> <sentinel:12> IMGIMGABCZ",
    ("\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f \uc548\ub155 "
     "\ud558\uc138\uc694 \u3105\u3106 \u2018a\u2019 \u201cb\u201d"),
    ("\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 "
     "\u0645\u0631\u062d\u0628\u0627\u06d4 \u05e9\u05dc\u05d5\u05dd"),
    "Ankara'daki 'tis 'Ds 'llama 's9 9's",
    "$5 +3 <=> ^~|` ... !!! ??? ---- ____ ``` \"' '' \u20ac5 \u00b1 \u00a9"};

std::vector<std::string> make_probes() {
  std::vector<std::string> probes(std::begin(kLonger), std::end(kLonger));
  for (const std::string_view a : kKinds) {
    for (const std::string_view b : kKinds) {
      for (const std::string_view c : kKinds) {
        probes.push_back(std::string(a).append(b).append(c));
      }
    }
  }
  return probes;
}

std::vector<std::string> cut(const PreTokenizer& pre, const std::string& text) {
  std::vector<std::string> words;
  for (Word& word : pre({{text, true}})) words.push_back(std::move(word.text));
  return words;
}

bool cuts_alike(const PreTokenizer& one, const PreTokenizer& other,
                const std::vector<std::string>& probes) {
  return std::ranges::all_of(
      probes, [&](const std::string& text) { return cut(one, text) == cut(other, text); });
}

PartJson byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

}  // namespace

PartJson ggml_pre_tokenizer_part(const GgmlPreTokenizer& row) {
  if (!row.own.empty()) return parse_sorted_json(row.own);
  PartJson parts = PartJson::array();
  for (const std::string_view regex : row.regexes) {
    parts.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", regex}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  parts.push_back(byte_level(false));
  return {{"type", "Sequence"}, {"pretokenizers", parts}};
}

const GgmlPreTokenizer* find_ggml_pre_tokenizer(const PartJson& part, bool ignore_merges) {
  if (!part.is_object()) return nullptr;
  const PreTokenizer wanted = make_pre_tokenizer(part);
  const std::vector<std::string> probes = make_probes();
  const GgmlPreTokenizer* found = nullptr;
  for (const GgmlPreTokenizer& row : all_ggml_pre_tokenizers()) {
    if (found != nullptr && row.ignore_merges != ignore_merges) continue;
    if (!cuts_alike(make_pre_tokenizer(ggml_pre_tokenizer_part(row)), wanted, probes)) continue;
    if (row.ignore_merges == ignore_merges) return &row;
    found = &row;
  }
  return found;
}

const GgmlPreTokenizer& ggml_pre_tokenizer(std::string_view name) {
  for (const GgmlPreTokenizer& row : all_ggml_pre_tokenizers()) {
    if (std::ranges::find(row.names, name) != row.names.end()) return row;
  }
  throw bad_input("unknown pre-tokenizer '{}'", name).hint("known: " + ggml_pre_tokenizer_names());
}

std::string ggml_pre_tokenizer_names() {
  std::string all;
  for (const GgmlPreTokenizer& row : all_ggml_pre_tokenizers()) {
    for (const std::string_view name : row.names) {
      all += (all.empty() ? "" : ", ") + std::string(name);
    }
  }
  return all;
}

}  // namespace mop
