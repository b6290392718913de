// A tokenizer.json.
#include "fuzz/json_mutator.h"
#include "fuzz/target.h"
#include "text/bpe_tokenizer.h"

using namespace mop;

MOP_MUTATE_JSON(Json)

MOP_FUZZ(bytes) {
  const auto tokenizer = make_tokenizer_json(bytes, {});
  const auto ids = tokenizer->encode("Hello  w\u00f6rld, it's 123 <s> \u4f60\uff21 \U0001f600\n",
                                     Special::kDefault);
  tokenizer->decode(ids);
}
