// tests/kit/random_model.h -- small random models of every family, written as real HF folders.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model.h"

namespace mop::testing {

/// A folder that is removed with the object.
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

/// Sizes of a random model; weights are drawn from `seed`, the same on every machine.
struct RandomModel {
  std::string family = "llama";  ///< model_type
  int64_t layers = 4, hidden = 32, heads = 4, kv_heads = 2, head_dim = 8, mlp = 48, vocab = 96,
          context = 64;
  bool tied = false;
  std::string dtype = "float32";
  uint64_t seed = 1;
  std::string extra =
      "";  ///< JSON object merged into config.json, e.g. R"({"attention_bias":true})"
  /// model_type of the model that it is the language model of: a small tower and projector stand
  /// beside it, named as transformers 4 names them. Empty = it stands alone.
  std::string within = "";
  int64_t tower_layers = 2, tower_heads = 2;  ///< of that tower: hidden 16, MLP 28
};
/// Writes config.json and model.safetensors into `folder` (made when absent).
void write_random_model(const std::filesystem::path& folder, const RandomModel& what = {});

/// The embedded demo model and texts (assets/), which are part of the project.
std::filesystem::path demo_model();
std::filesystem::path demo_calibration();
std::filesystem::path demo_evaluation();
/// MOP_TEST_DATA (default ../shared/data beside the source): empty when absent; tests then skip
/// with `GTEST_SKIP() << no_test_data()`.
std::filesystem::path test_data();
std::string no_test_data();

}  // namespace mop::testing
