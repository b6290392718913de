// pipeline/recover_options.h -- the settings of a training recipe that are no method's own, as they
// are declared.
#pragma once
#include "base/named_table.h"
#include "base/option.h"
#include "recovery/methods.h"
#include "recovery/trainer.h"
#include "text/training_batches.h"
#include "text/training_data.h"

namespace mop::recover_options {

inline std::vector<std::string> forms_or_auto() {
  std::vector<std::string> names = names_of(all_training_forms());
  names.insert(names.begin(), "auto");
  return names;
}

inline const Option<std::string> kModel = {
    .name = "model", .default_value = "", .help = "folder of the model to train, or a hub id"};
inline const Option<std::string> kMethod = {.name = "method",
                                            .default_value = "lora",
                                            .range = row_of<all_methods>(),
                                            .help = "what is trained (`mop list methods`)"};
inline const Option<std::string> kTeacher = {
    .name = "teacher", .default_value = "", .help = "the dense model, for distil"};
inline const Option<double> kEpochs = {.name = "epochs",
                                       .unset = "2, or none beside tokens or minutes",
                                       .range = at_least(0),
                                       .help = "passes over the data"};
inline const Option<int64_t> kTokens = {.name = "tokens",
                                        .default_value = TrainOptions().tokens,
                                        .range = at_least(0),
                                        .help = "ends after reading so many; 0: no such limit"};
inline const Option<double> kMinutes = {.name = "minutes",
                                        .default_value = TrainOptions().minutes,
                                        .range = at_least(0),
                                        .help = "ends after training so long; 0: no such limit"};
inline const Option<std::vector<double>> kLearningRate = {
    .name = "learning_rate",
    .unset = "the method's three",
    .range = above(0),
    .help = "one, or several of which a short trial finds the best"};
inline const Option<std::string> kSchedule = {.name = "schedule",
                                              .default_value = TrainOptions().schedule,
                                              .range = row_of<all_schedules>(),
                                              .help = "the learning rate's course"};
inline const Option<double> kWarmup = {.name = "warmup",
                                       .default_value = TrainOptions().warmup,
                                       .help = "fraction of the run in which the rate rises"};
inline const Option<double> kWeightDecay = {.name = "weight_decay",
                                            .default_value = AdamWOptions().weight_decay,
                                            .help = "of matrices; norms and biases never decay"};
inline const Option<double> kClip = {
    .name = "clip",
    .default_value = AdamWOptions().clip,
    .help = "gradients of a larger norm are scaled down to it; 0: never"};
inline const Option<int64_t> kBatch = {.name = "batch",
                                       .unset = "1, or what fits pack_tokens",
                                       .range = at_least(0),
                                       .help = "samples of a micro-batch"};
inline const Option<int64_t> kAccumulate = {.name = "accumulate",
                                            .default_value = TrainOptions().accumulate,
                                            .range = at_least(1),
                                            .help = "micro-batches of a step, over all ranks"};
inline const Option<std::string> kRule = {.name = "rule",
                                          .unset = "samples with lora, else tokens",
                                          .range = one_of({"samples", "tokens"}),
                                          .help = "what counts equally in a step's loss"};
inline const Option<int64_t> kPatience = {
    .name = "patience",
    .default_value = TrainOptions().patience,
    .range = at_least(0),
    .help = "ends after so many validations without a better one; 0: never"};
inline const Option<int64_t> kValidateEvery = {.name = "validate_every",
                                               .default_value = TrainOptions().validate_every,
                                               .range = at_least(0),
                                               .help = "steps; 0: a tenth of an epoch"};
inline const Option<int64_t> kSaveEvery = {.name = "save_every",
                                           .default_value = TrainOptions().save_every,
                                           .range = at_least(0),
                                           .help = "steps; 0: every five minutes"};
inline const Option<int64_t> kSeed = {.name = "seed",
                                      .default_value = 0,
                                      .range = at_least(0),
                                      .help = "of order, dropout and first values"};

inline const Option<std::string> kData = {
    .name = "file",
    .default_value = "",
    .help = "text to train on: .txt, .jsonl, .json or .parquet (`mop list training-forms`)"};
inline const Option<std::string> kImages = {
    .name = "images",
    .default_value = "",
    .help = "folder of the data's pictures, for LLaVA; that of the file where there is none"};
inline const Option<std::string> kTemplate = {.name = "template",
                                              .default_value = TrainingDataOptions().form,
                                              .range = {.names = forms_or_auto},
                                              .help = "how records become samples"};
inline const Option<int64_t> kMaxTokens = {.name = "max_tokens",
                                           .default_value = TrainingDataOptions().max_tokens,
                                           .range = at_least(2),
                                           .help = "cut samples"};
inline const Option<bool> kEos = {.name = "eos",
                                  .default_value = TrainingDataOptions().text_eos,
                                  .help = "EOS behind plain texts; answers always have it"};
inline const Option<bool> kShuffle = {
    .name = "shuffle", .default_value = BatchOptions().shuffle, .help = "a new order every epoch"};
inline const Option<int64_t> kPackTokens = {
    .name = "pack_tokens",
    .default_value = BatchOptions().tokens,
    .range = at_least(0),
    .help = "samples are packed into micro-batches of so many tokens; 0: not"};

inline const Option<std::string> kValidation = {
    .name = "file", .unset = "the last samples of the data", .help = "text to judge on"};
inline const Option<int64_t> kHeldOut = {
    .name = "samples",
    .default_value = -1,
    .range = at_least(-1),
    .help = "last samples of the data that judge; -1: a fiftieth, at most 256; 0: none"};

inline const Option<double> kActivationGib = {
    .name = "activation_gib",
    .unset = "2 on the CPU, on a device what is free",
    .help = "activations kept for the backward pass; what is more is computed again"};
inline const Option<int64_t> kPieceTokens = {.name = "piece_tokens",
                                             .default_value = 0,
                                             .range = at_least(0),
                                             .help = "tokens that run together; 0 chooses"};

inline const Option<std::string> kDevice = {
    .name = "device", .default_value = "cpu", .help = "cpu, cuda or cuda:N"};
inline const Option<std::string> kDtype = {
    .name = "dtype",
    .unset = "float32 on the CPU, bfloat16 on a GPU",
    .range = one_of({"float32", "bfloat16"}),
    .help = "to compute in; what is trained is kept in float32"};

}  // namespace mop::recover_options
