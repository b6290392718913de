// tests/unit/text/byte_tokenizer.h -- a tokenizer whose ids can be read: one token a byte.
#pragma once
#include "text/tokenizer.h"

namespace mop::testing {

/// A text of n bytes has n tokens; BOS (256) in front by default; EOS is 257.
class ByteTokenizer : public Tokenizer {
 public:
  static constexpr int64_t kBos = 256, kEos = 257;
  std::vector<int64_t> encode(std::string_view text, Special special) const override {
    std::vector<int64_t> ids;
    if (special != Special::kNone) ids.push_back(kBos);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(const std::vector<int64_t>&, bool) const override { return ""; }
  int64_t vocab() const override { return 258; }
  std::optional<int64_t> bos() const override { return kBos; }
  std::optional<int64_t> eos() const override { return kEos; }
  std::string kind() const override { return "bytes"; }
  std::string fingerprint() const override { return "bytes"; }
};

}  // namespace mop::testing
