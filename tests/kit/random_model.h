// tests/kit/random_model.h -- small random models of every family, written as Hugging Face folders.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model.h"

namespace mop::testing {

/// A temporary folder, removed by the destructor.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Sizes of a random model; `seed` gives the same weights on every machine.
struct RandomModel {
  std::string family = "llama";  ///< model_type
  int64_t layers = 4, hidden = 32, heads = 4, kv_heads = 2, head_dim = 8, mlp = 48, vocab = 96,
          context = 64;
  bool tied = false;
  std::string dtype = "float32";
  uint64_t seed = 1;
  std::string extra =
      "";  ///< JSON object merged into config.json, e.g. R"({"attention_bias":true})"
  /// model_type of an enclosing vision-language model, which adds a small tower and projector with
  /// transformers 4's names. Empty = no enclosing model.
  std::string within = "";
  int64_t tower_layers = 2, tower_heads = 2;  ///< of that tower: hidden 16, MLP 28
};
/// Writes config.json and model.safetensors to `folder`, which is created if needed.
void write_random_model(const std::filesystem::path& folder, const RandomModel& what = {});

/// The embedded demo model and texts (assets/).
std::filesystem::path demo_model();
std::filesystem::path demo_calibration();
std::filesystem::path demo_evaluation();
/// Returns MOP_TEST_DATA (default ../shared/data beside the source); empty when absent. Tests then
/// skip with `GTEST_SKIP() << no_test_data()`.
std::filesystem::path test_data();
std::string no_test_data();

}  // namespace mop::testing
