// text/tokenizer_files.h -- finds the tokenizer files of a model folder.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace mop {

/// Returns the files of tokenizer_files() that exist, relative to `folder`; a name that ends in '*'
/// is a prefix.
std::vector<std::string> tokenizer_files_in(const std::filesystem::path& folder);

}  // namespace mop
