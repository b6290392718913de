// A safetensors file.
#include "checkpoint/safetensors.h"

#include "fuzz/target.h"

MOP_FUZZ(bytes) {
  const auto file = mop::SafetensorsFile::open(mop::testing::file_of(bytes, "model.safetensors"));
  for (const auto& [name, entry] : file.entries()) {
    if (file.tensor(name).nbytes() != entry.end - entry.begin) std::abort();
  }
}
