// export/formats.h -- the table of output formats.
#pragma once
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "model/model.h"

namespace mop {

/// The result of an export, and its comparison with the model after reading it back.
struct ExportResult {
  std::vector<std::string> notes;  ///< notices for the user, one line each
  double logits_difference = 0;    ///< max|a - b| / max|a|
};

struct ExportFormat {
  std::string_view name;
  std::string_view summary;
  bool folder;                           ///< writes a folder, else a single file
  std::vector<std::string_view> dtypes;  ///< values of --dtype; empty = stored dtypes are kept
  /// Writes to `out`, an existing empty folder or a file name, reads it back and compares logits.
  /// An empty `dtype` keeps the stored dtypes.
  ExportResult (*write)(const Model& model, const std::filesystem::path& out,
                        std::string_view dtype, Progress& progress);
};

std::span<const ExportFormat> all_formats();
/// Throws Error(kUsage) listing the known names.
const ExportFormat& find_format(std::string_view name);

}  // namespace mop
