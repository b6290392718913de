// An adapter_config.json beside good weights, merged into the model they were trained on.
#include "base/progress.h"
#include "export/peft.h"
#include "fuzz/json_mutator.h"
#include "fuzz/target.h"

using namespace mop;

MOP_MUTATE_JSON(Json)

MOP_FUZZ(bytes) {
  namespace fs = std::filesystem;
  static const fs::path golden = fs::path(MOP_SOURCE_DIR) / "tests/golden/peft";
  static const Model model = Model::open(golden / "base");
  static const bool copied = fs::copy_file(golden / "alphas/adapter_model.safetensors",
                                           testing::folder() / "adapter_model.safetensors",
                                           fs::copy_options::overwrite_existing);
  testing::file_of(bytes, "adapter_config.json");
  Progress progress;
  if (copied) with_adapter(model, testing::folder(), {}, progress);
}
