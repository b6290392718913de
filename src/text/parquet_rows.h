// text/parquet_rows.h -- the rows of a Parquet file as JSON lines, by a library that is loaded when
// it is first needed (plugins/parquet): the program itself does not need Arrow.
#pragma once
#include <filesystem>
#include <memory>

#include "tensor/mapped_file.h"

namespace mop {

/// Each row of the file as one JSON object in a line: lists and structs as such, fields that are
/// null left out, dates and times as texts. The lines lie in a temporary file that is gone with the
/// last holder. Throws Error(kUsage) when libmop_parquet.so is not there, Error(kBadInput) when the
/// file is damaged, Error(kIo) when the temporary file cannot be written.
std::shared_ptr<const MappedFile> parquet_json_lines(const std::filesystem::path& file);

}  // namespace mop
