// A SentencePiece model.
#include "fuzz/target.h"
#include "text/bpe_tokenizer.h"

using namespace mop;

MOP_FUZZ(bytes) {
  for (const bool legacy : {true, false}) {
    TokenizerConfig config;
    config.legacy = legacy;
    const auto tokenizer = make_sentencepiece(bytes, config);
    const auto ids =
        tokenizer->encode("Hello  w\u00f6rld <s> \u4f60\uff21 1\u00bd \n", Special::kDefault);
    tokenizer->decode(ids);
  }
}
