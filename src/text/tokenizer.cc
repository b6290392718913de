// text/tokenizer.cc
#include "text/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/mapped_file.h"
#include "text/bpe_tokenizer.h"
#include "text/gguf_vocabulary.h"
#include "text/tokenizer_files.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLookedFor[] = {"tokenizer.json", "tokenizer.model"};

bool is_base64(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '=';
}

std::string read_start(const fs::path& file) {
  const auto mapped = MappedFile::open(file);
  const auto bytes = mapped->bytes().first(std::min<size_t>(mapped->bytes().size(), 4096));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::shared_ptr<const Tokenizer> open_file(const fs::path& file) {
  if (GgufFile::is_gguf(file)) return open_gguf_tokenizer(file);
  const std::string start = read_start(file);
  const size_t first = start.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first != start.npos && start[first] == '{') return open_tokenizer_json(file);
  return looks_like_ranks(start) ? open_tiktoken(file) : open_sentencepiece(file);
}

}  // namespace

// Tests for a first line like "IQ== 0".
bool looks_like_ranks(const std::string& start) {
  const std::string line = start.substr(0, start.find('\n'));
  const size_t blank = line.find(' ');
  return blank != line.npos && blank > 0 &&
         std::all_of(line.begin(), line.begin() + static_cast<ptrdiff_t>(blank), is_base64) &&
         line.find_first_not_of("0123456789\r", blank + 1) == line.npos;
}

std::shared_ptr<const Tokenizer> open_tokenizer(const fs::path& folder_or_file) {
  if (!fs::exists(folder_or_file)) {
    throw bad_input("there is no tokenizer: no such file or folder")
        .where("path", folder_or_file.string());
  }
  if (!fs::is_directory(folder_or_file)) return open_file(folder_or_file);
  for (const char* name : kLookedFor) {
    if (fs::exists(folder_or_file / name)) return open_file(folder_or_file / name);
  }
  throw bad_input("the folder holds no tokenizer: neither tokenizer.json nor tokenizer.model")
      .where("folder", folder_or_file.string())
      .hint("copy the files of the model's own tokenizer there, tokenizer_config.json too");
}

std::vector<std::string> tokenizer_files() {
  return {"tokenizer.json",
          "tokenizer.model",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "vocab.json",
          "merges.txt",
          "chat_template.jinja",
          "chat_template.json",
          "additional_chat_templates/*"};
}

std::vector<std::string> tokenizer_files_in(const fs::path& folder) {
  std::vector<std::string> found;
  for (const fs::path name : tokenizer_files()) {
    if (name.filename() != "*") {
      if (fs::is_regular_file(folder / name)) found.push_back(name.string());
    } else if (fs::is_directory(folder / name.parent_path())) {
      for (const auto& entry : fs::directory_iterator(folder / name.parent_path())) {
        if (entry.is_regular_file())
          found.push_back((name.parent_path() / entry.path().filename()).string());
      }
    }
  }
  return found;
}

}  // namespace mop
