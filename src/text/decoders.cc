// text/decoders.cc
#include "text/decoders.h"

#include <charconv>
#include <optional>
#include <utility>

#include "text/byte_alphabet.h"
#include "text/expansion.h"
#include "text/pattern.h"
#include "text/pattern_part.h"
#include "text/unicode.h"

namespace mop {
namespace {

std::optional<char> byte_of(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned byte = 0;
  const auto result = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (result.ec != std::errc() || result.ptr != token.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

void flush_bytes(std::string& bytes, std::vector<std::string>& out) {
  if (bytes.empty()) return;
  if (is_valid_utf8(bytes)) {
    out.push_back(bytes);
  } else {
    out.insert(out.end(), bytes.size(), "\uFFFD");
  }
  bytes.clear();
}

size_t bytes_of(const std::vector<std::string>& tokens) {
  size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  return bytes;
}

Decoder make_sequence(const PartJson& part) {
  return [steps = make_components<Decoder>(part, "decoders", make_decoder)](
             std::vector<std::string> tokens) {
    const size_t before = bytes_of(tokens);
    for (const Decoder& step : steps) {
      tokens = step(std::move(tokens));
      check_expansion(before, bytes_of(tokens));
    }
    return tokens;
  };
}

Decoder make_replace(const PartJson& part) {
  return [pattern = read_pattern(part),
          content = part_field<std::string>(part, "content", "")](std::vector<std::string> tokens) {
    for (std::string& token : tokens) token = pattern.replace_all(token, content);
    return tokens;
  };
}

Decoder make_byte_fallback(const PartJson&) { return join_byte_tokens; }

Decoder make_fuse(const PartJson&) {
  return
      [](std::vector<std::string> tokens) { return std::vector<std::string>{join_texts(tokens)}; };
}

Decoder make_strip(const PartJson& part) {
  const auto content = part_field<std::string>(part, "content", " ");
  const auto start = part_field<int64_t>(part, "start", 0);
  const auto stop = part_field<int64_t>(part, "stop", 0);
  return [content, start, stop](std::vector<std::string> tokens) {
    if (content.empty()) return tokens;
    for (std::string& token : tokens) {
      size_t begin = 0;
      for (int64_t i = 0; i < start && token.compare(begin, content.size(), content) == 0; ++i)
        begin += content.size();
      token.erase(0, begin);
      for (int64_t i = 0; i < stop && token.ends_with(content); ++i)
        token.resize(token.size() - content.size());
    }
    return tokens;
  };
}

// A token with a character outside the alphabet (an added token) decodes to its own bytes.
Decoder make_byte_level(const PartJson&) {
  return [](std::vector<std::string> tokens) {
    std::string bytes;
    for (const std::string& token : tokens) bytes += from_byte_alphabet(token).value_or(token);
    return std::vector<std::string>{replace_invalid_utf8(bytes)};
  };
}

Decoder make_metaspace(const PartJson& part) {
  const Pattern mark = Pattern::literal(part_field<std::string>(part, "replacement", "\u2581"));
  const bool prefix = part_field(part, "add_prefix_space", true) &&
                      part_field<std::string>(part, "prepend_scheme", "always") != "never";
  return [mark, prefix](std::vector<std::string> tokens) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = mark.replace_all(tokens[i], i == 0 && prefix ? "" : " ");
    }
    return tokens;
  };
}

constexpr Component<Decoder> kDecoders[] = {
    {"Sequence", make_sequence},   {"ByteLevel", make_byte_level},
    {"Replace", make_replace},     {"ByteFallback", make_byte_fallback},
    {"Fuse", make_fuse},           {"Strip", make_strip},
    {"Metaspace", make_metaspace},
};

}  // namespace

std::vector<std::string> join_byte_tokens(std::vector<std::string> tokens) {
  std::vector<std::string> out;
  std::string bytes;
  for (std::string& token : tokens) {
    if (const auto byte = byte_of(token)) {
      bytes += *byte;
      continue;
    }
    flush_bytes(bytes, out);
    out.push_back(std::move(token));
  }
  flush_bytes(bytes, out);
  return out;
}

std::string join_texts(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += text;
  return out;
}

Decoder make_decoder(const PartJson& part) {
  if (!part.is_null()) return make_component<Decoder>(kDecoders, part, "decoder");
  return [](std::vector<std::string> tokens) {
    for (size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, " ");
    return tokens;
  };
}

}  // namespace mop
