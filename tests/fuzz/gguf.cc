// A GGUF file: its tensors, its config, its tokenizer.
#include "checkpoint/gguf_checkpoint.h"
#include "fuzz/target.h"
#include "text/tokenizer.h"

using namespace mop;

MOP_FUZZ(bytes) {
  const auto path = testing::file_of(bytes, "model.gguf");
  const GgufFile file = GgufFile::open(path);
  for (const auto& [name, tensor] : file.tensors()) file.tensor(tensor);
  try {
    open_tokenizer(path)->encode("Hello world 123", Special::kDefault);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::kInternal) throw;
  }
  const auto checkpoint = GgufCheckpoint::open(path);
  for (const auto& [name, entry] : checkpoint.entries()) checkpoint.tensor(name);
}
