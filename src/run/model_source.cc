// run/model_source.cc
#include "run/model_source.h"

#include "hub/hub.h"
#include "text/tokenizer.h"

namespace mop {
namespace fs = std::filesystem;

fs::path local_model(const std::string& text, Progress& progress, ModelPart part) {
  const auto id = parse_model_id(text);
  std::error_code ignored;
  if (!id || fs::exists(text, ignored)) return text;
  WantedFiles wanted;
  wanted.weights = part == ModelPart::kAll;
  if (part != ModelPart::kConfig) {
    wanted.tokenizers = {"tokenizer.json", "tokenizer.model"};
    wanted.others = tokenizer_files();
    for (const char* more :
         {"generation_config.json", "preprocessor_config.json", "processor_config.json", "LICENSE*",
          "LICENCE*", "COPYING*", "NOTICE*", "USE_POLICY*"}) {
      wanted.others.push_back(more);
    }
  }
  return fetch_model(*id, wanted, hub_settings(), progress);
}

std::string model_name(const fs::path& model) {
  if (const auto id = id_of_snapshot(model)) return id->text();
  const fs::path path = fs::absolute(model).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace mop
