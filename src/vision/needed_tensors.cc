// vision/needed_tensors.cc
#include "vision/needed_tensors.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace mop {

void check_tensors(const Checkpoint& checkpoint, const std::vector<NeededTensor>& needed) {
  std::string missing, others;
  const auto add = [](std::string& list, const std::string& item) {
    list += (list.empty() ? "" : ", ") + item;
  };
  for (const NeededTensor& tensor : needed) {
    if (!checkpoint.has(tensor.name)) {
      add(missing, tensor.name);
      continue;
    }
    const TensorEntry& entry = checkpoint.entry(tensor.name);
    if (entry.shape != tensor.shape)
      add(others, fmt::format("{} is [{}] instead of [{}]", tensor.name, fmt::join(entry.shape, ", "),
                              fmt::join(tensor.shape, ", ")));
    else if (!at::isFloatingType(entry.dtype))
      add(others, fmt::format("{} is {}", tensor.name, safetensors_name(entry.dtype)));
  }
  if (missing.empty() && others.empty()) return;
  Error error = bad_input("the vision tower or projector is not the one that config.json describes")
                    .where("model", checkpoint.folder().string());
  if (!missing.empty()) std::move(error).where("missing", missing);
  if (!others.empty()) std::move(error).where("other", others);
  throw error;
}

at::Tensor load_tensor(const Checkpoint& checkpoint, const std::string& name,
                       const Compute& compute) {
  return checkpoint.tensor(name).to(at::device(compute.device).dtype(compute.dtype));
}

}  // namespace mop
