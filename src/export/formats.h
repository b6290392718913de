// export/formats.h -- the formats that models are written in, in one table.
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

/// What was written and how it compared with the model when read back.
struct ExportResult {
  std::vector<std::string> notes;  ///< for the user, a line each
  double logits_difference = 0;    ///< max|a - b| / max|a|
};

struct ExportFormat {
  std::string_view name;
  std::string_view summary;
  bool folder;                           ///< writes into a folder, else one file
  std::vector<std::string_view> dtypes;  ///< choices of --dtype; empty: stored dtypes are kept
  /// Writes to `out`, an existing empty folder or a file's name, then reads it back and compares
  /// logits. `dtype` empty = as stored.
  ExportResult (*write)(const Model& model, const std::filesystem::path& out,
                        std::string_view dtype, Progress& progress);
};

std::span<const ExportFormat> all_formats();
/// Throws Error(kUsage) listing the known names.
const ExportFormat& find_format(std::string_view name);

}  // namespace mop
