// text/ggml_pre_tokenizers.cc
#include "text/ggml_pre_tokenizers.h"

namespace mop {
namespace {

constexpr std::string_view kGpt2 =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
constexpr std::string_view kDigitsThenGpt2 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})";
constexpr std::string_view kLlama3 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
        },"behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
constexpr std::string_view kQwen2 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
        },"behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";

// Writers take the first row that fits, readers any name.
constexpr GgmlPreTokenizer kRows[] = {
    {"llama-bpe", kLlama3, true, true},          {"llama3", kLlama3, true, true},
    {"llama-v3", kLlama3, true, true},           {"qwen2", kQwen2, false, false},
    {"stablelm2", kQwen2, false, false},         {"gpt-2", kGpt2, false, false},
    {"smollm", kDigitsThenGpt2, false, false},   {"starcoder", kDigitsThenGpt2, false, false},
    {"command-r", kDigitsThenGpt2, false, false}};

// What matters of a part, in one line: nested sequences are one, offsets play no role.
std::string essence(const PartJson& part) {
  const auto type = part_field<std::string>(part, "type", "");
  const auto flag = [&](const char* key, bool fallback) { return part_field(part, key, fallback); };
  if (type == "Sequence" && part.contains("pretokenizers")) {
    std::string all;
    for (const PartJson& inner : part["pretokenizers"]) all += essence(inner) + "\n";
    return all;
  }
  if (type == "ByteLevel") {
    return fmt::format("bytes {} {}", flag("add_prefix_space", true), flag("use_regex", true));
  }
  if (type == "Split") {
    return fmt::format("split {} {} {}", part.value("pattern", PartJson()).dump(),
                       part_field<std::string>(part, "behavior", ""), flag("invert", false));
  }
  if (type == "Digits") return fmt::format("digits {}", flag("individual_digits", false));
  return part.dump();
}

}  // namespace

const GgmlPreTokenizer* find_ggml_pre_tokenizer(const PartJson& part) {
  if (!part.is_object()) return nullptr;
  const std::string wanted = essence(part);
  for (const GgmlPreTokenizer& row : kRows) {
    if (essence(PartJson::parse(row.part)) == wanted) return &row;
  }
  return nullptr;
}

const GgmlPreTokenizer& ggml_pre_tokenizer(std::string_view name) {
  for (const GgmlPreTokenizer& row : kRows) {
    if (row.name == name) return row;
  }
  throw bad_input("unknown pre-tokenizer '{}'", name).hint("known: " + ggml_pre_tokenizer_names());
}

std::string ggml_pre_tokenizer_names() {
  std::string names;
  for (const GgmlPreTokenizer& row : kRows) {
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names;
}

}  // namespace mop
