// recipe/recover_recipe.h -- a training recipe, as a value and as settings: shared by `mop
// recover`, `mop train`, and the section `recovery` of a pruning recipe.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"
#include "gradient/output_loss.h"
#include "recovery/methods.h"
#include "recovery/trainer.h"
#include "text/training_batches.h"
#include "text/training_data.h"

namespace mop {

/// The defaults are those of the MoP paper's recovery (LoRA). `full` and `distil` weight tokens
/// equally where the paper weights samples.
struct RecoverRecipe {
  std::string model;       ///< folder of the model to train
  std::string data;        ///< file to train on
  std::string images;      ///< folder of its images; empty = that of the file
  std::string validation;  ///< held-out file; empty = the last `held_out` samples of the data
  int64_t held_out = -1;   ///< -1: a fiftieth, at most 256; 0: no validation
  TrainingDataOptions form;
  std::string method = "lora";
  std::string teacher;  ///< folder of the dense model
  TrainOptions train;
  /// Candidates of the learning rate; short trials select one (jobs/rate_sweep.h). If no trial
  /// is possible, the first one, which `train` holds, is used.
  std::vector<double> rates;
  BatchOptions batch;
  LoraOptions lora;
  LossMix mix;
  double hidden_share = 0;
  bool trains_all = false;     ///< distil: train all weights instead of low-rank additions
  double activation_gib = -1;  ///< -1: 2 on the CPU, the free memory on a device
  std::string device = "cpu";
  std::string dtype;  ///< compute dtype; empty = float32 on the CPU, bfloat16 on a GPU

  bool low_rank() const { return method == "lora" || (method == "distil" && !trains_all); }
};

/// Reads the keys below. Throws Error(kUsage) for an unknown key, a value of the wrong type or out
/// of range, a missing teacher, a section or a teacher that the method does not read.
///   model, method, teacher, epochs | tokens | minutes, learning_rate (a number, or a list to
///   choose from; by default the method's list), schedule, warmup,
///   weight_decay, clip, batch, accumulate, rule, patience, validate_every, save_every, seed,
///   data {file, template, max_tokens, eos, shuffle, pack_tokens}, validation {file, samples},
///   lora {rank, alpha, dropout, targets}, distil {temperature, cross_entropy, hidden, trains},
///   memory {activation_gib, piece_tokens}, compute {device, dtype}
RecoverRecipe recover_recipe(const Json& json);
/// The same with defaults for random weights: all weights are trained, at 1e-3, with warm-up and a
/// cosine schedule.
RecoverRecipe train_recipe(Json json);
Json to_json(const RecoverRecipe& recipe);

}  // namespace mop
