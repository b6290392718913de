// model/config_keys.h -- how each key of config.json is handled.
#pragma once
#include <optional>
#include <string>

#include "base/key_fates.h"
#include "tensor/dtype.h"

namespace mop {

/// The keys of config.json for all families, transformers 4 and 5.
const FormatKeys& config_keys();

/// Throws Error(kBadInput) naming the first key whose value requires something unsupported. `where`
/// names the file.
void check_refused_keys(const Json& raw, const std::string& where);

/// Returns the dtype of the weights by `dtype`, or by `torch_dtype`, its name before
/// transformers 5. Nothing when both are absent or null. Throws Error(kBadInput) for something else
/// than the name of a known dtype.
std::optional<DType> dtype_of_weights(const Json& raw, const std::string& where);

}  // namespace mop
