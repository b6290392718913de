// text/tokenizer_files.h -- which files of a model's folder are its tokenizer's.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace mop {

/// Those of tokenizer_files() that are there, relative to `folder`; of a name that ends in '*', all
/// that begin so.
std::vector<std::string> tokenizer_files_in(const std::filesystem::path& folder);

}  // namespace mop
