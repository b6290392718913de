// text/parquet_rows.h -- reads the rows of a Parquet file as JSON lines, by a library loaded on
// first use (plugins/parquet), so that the program does not depend on Arrow.
#pragma once
#include <filesystem>
#include <memory>

#include "tensor/mapped_file.h"

namespace mop {

/// Returns each row as a JSON object on one line: lists and structs as such, null fields omitted,
/// dates and times as strings. The lines are in an unlinked temporary file. Throws Error(kUsage)
/// when libmop_parquet.so is missing, Error(kBadInput) when the file is damaged, Error(kIo) when
/// the temporary file cannot be written.
std::shared_ptr<const MappedFile> parquet_json_lines(const std::filesystem::path& file);

}  // namespace mop
