// cli/model_argument.cc
#include "cli/model_argument.h"

namespace mop {
namespace {

constexpr const char* kModel = "MODEL";

}  // namespace

void resolve_models(CLI::App& app, ModelPart part, Progress& progress) {
  const auto names_models = [](const CLI::Option* option) {
    return option->check_name(kModel) || option->get_type_name() == kModel;
  };
  for (CLI::Option* option : app.get_options(names_models)) {
    const std::vector<std::string> given = option->results();
    if (given.empty()) continue;
    option->clear();
    for (const std::string& text : given) {
      option->add_result(local_model(text, progress, part).string());
    }
    option->run_callback();  // updates the verb's variable
  }
}

}  // namespace mop
