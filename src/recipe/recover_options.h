// recipe/recover_options.h -- declares the general settings of a training recipe. Those of
// methods are in their tables.
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
                                            .help = "training method (`mop list methods`)"};
inline const Option<std::string> kTeacher = {
    .name = "teacher", .default_value = "", .help = "the dense model, for distil"};
inline const Option<double> kEpochs = {.name = "epochs",
                                       .unset = "2, or no limit with tokens or minutes",
                                       .range = at_least(0),
                                       .help = "passes over the data"};
inline const Option<int64_t> kTokens = {.name = "tokens",
                                        .default_value = TrainOptions().tokens,
                                        .range = at_least(0),
                                        .help = "maximum number of tokens; 0: no limit"};
inline const Option<double> kMinutes = {.name = "minutes",
                                        .default_value = TrainOptions().minutes,
                                        .range = at_least(0),
                                        .help = "maximum training time; 0: no limit"};
inline const Option<std::vector<double>> kLearningRate = {
    .name = "learning_rate",
    .unset = "the method's three",
    .range = above(0),
    .help = "one rate, or several from which short trials select"};
inline const Option<std::string> kSchedule = {.name = "schedule",
                                              .default_value = TrainOptions().schedule,
                                              .range = row_of<all_schedules>(),
                                              .help = "learning rate schedule"};
inline const Option<double> kWarmup = {.name = "warmup",
                                       .default_value = TrainOptions().warmup,
                                       .help = "fraction of the run with rising learning rate"};
inline const Option<double> kWeightDecay = {
    .name = "weight_decay",
    .default_value = AdamWOptions().weight_decay,
    .range = at_least(0),
    .help = "weight decay of matrices; norms and biases have none"};
inline const Option<double> kClip = {.name = "clip",
                                     .default_value = AdamWOptions().clip,
                                     .range = at_least(0),
                                     .help = "maximum gradient norm; 0: no clipping"};
inline const Option<int64_t> kBatch = {.name = "batch",
                                       .unset = "1, or as many as fit pack_tokens",
                                       .range = between(0, 65536),
                                       .help = "samples per micro-batch"};
inline const Option<int64_t> kAccumulate = {.name = "accumulate",
                                            .default_value = TrainOptions().accumulate,
                                            .range = between(1, 65536),
                                            .help = "micro-batches per step, over all ranks"};
inline const Option<std::string> kRule = {.name = "rule",
                                          .unset = "samples for lora, else tokens",
                                          .range = one_of({"samples", "tokens"}),
                                          .help = "what is weighted equally in a step's loss"};
inline const Option<int64_t> kPatience = {
    .name = "patience",
    .default_value = TrainOptions().patience,
    .range = at_least(0),
    .help = "number of validations without improvement before training ends; 0: no limit"};
inline const Option<int64_t> kValidateEvery = {
    .name = "validate_every",
    .default_value = TrainOptions().validate_every,
    .range = at_least(0),
    .help = "steps between validations; 0: a tenth of an epoch"};
inline const Option<int64_t> kSaveEvery = {.name = "save_every",
                                           .default_value = TrainOptions().save_every,
                                           .range = at_least(0),
                                           .help = "steps between saves; 0: every five minutes"};
inline const Option<int64_t> kSeed = {.name = "seed",
                                      .default_value = 0,
                                      .range = at_least(0),
                                      .help = "seed of sample order, dropout and initial values"};

inline const Option<std::string> kData = {
    .name = "file",
    .default_value = "",
    .help = "text to train on: .txt, .jsonl, .json or .parquet (`mop list training-forms`)"};
inline const Option<std::string> kImages = {
    .name = "images",
    .default_value = "",
    .help = "folder of the data's images, for LLaVA; default: the file's folder"};
inline const Option<std::string> kTemplate = {.name = "template",
                                              .default_value = TrainingDataOptions().form,
                                              .range = {.names = forms_or_auto},
                                              .help = "how records become samples"};
inline const Option<int64_t> kMaxTokens = {.name = "max_tokens",
                                           .default_value = TrainingDataOptions().max_tokens,
                                           .range = at_least(2),
                                           .help = "maximum length of a sample"};
inline const Option<bool> kEos = {.name = "eos",
                                  .default_value = TrainingDataOptions().text_eos,
                                  .help = "append EOS to plain texts; answers always have it"};
inline const Option<bool> kShuffle = {.name = "shuffle",
                                      .default_value = BatchOptions().shuffle,
                                      .help = "shuffle samples every epoch"};
inline const Option<int64_t> kPackTokens = {
    .name = "pack_tokens",
    .default_value = BatchOptions().tokens,
    .range = at_least(0),
    .help = "pack samples into micro-batches of this many tokens; 0: no packing"};

inline const Option<std::string> kValidation = {
    .name = "file", .unset = "the last samples of the data", .help = "held-out text"};
inline const Option<int64_t> kHeldOut = {
    .name = "samples",
    .default_value = -1,
    .range = at_least(-1),
    .help =
        "number of held-out samples at the end of the data; -1: a fiftieth, at most 256; 0: none"};

inline const Option<double> kActivationGib = {
    .name = "activation_gib",
    .unset = "2 on the CPU, the free memory on a device",
    .range = at_least(-1),
    .help = "memory for activations kept for the backward pass; others are recomputed"};
inline const Option<int64_t> kPieceTokens = {.name = "piece_tokens",
                                             .default_value = 0,
                                             .range = at_least(0),
                                             .help = "tokens processed together; 0: automatic"};

inline const Option<std::string> kDevice = {
    .name = "device", .default_value = "cpu", .help = "cpu, cuda or cuda:N"};
inline const Option<std::string> kDtype = {.name = "dtype",
                                           .unset = "float32 on the CPU, bfloat16 on a GPU",
                                           .range = one_of({"float32", "bfloat16"}),
                                           .help = "compute dtype; trained parameters are float32"};

}  // namespace mop::recover_options
