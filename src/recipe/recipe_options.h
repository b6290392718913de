// recipe/recipe_options.h -- declares the general settings of a pruning recipe. Those of
// branches, criteria, depth rules, allocations and repairs are in their tables.
#pragma once
#include "base/named_table.h"
#include "base/option.h"
#include "plan/branch.h"
#include "repair/repair.h"
#include "repair/sparse_weights.h"
#include "search/selector.h"
#include "structure/currency.h"
#include "text/samples.h"

namespace mop::recipe_options {

inline std::vector<std::string> repairs_or_none() {
  std::vector<std::string> names = names_of(all_repairs());
  names.emplace_back("none");
  return names;
}

inline const Option<std::string> kModel = {
    .name = "model", .default_value = "", .help = "folder of the dense checkpoint, or a hub id"};
inline const Option<std::string> kPlan = {
    .name = "plan",
    .default_value = "",
    .help = "replay the steps of this plan.json; excludes a target"};
inline const Option<std::string> kSelect = {
    .name = "select",
    .unset = "perplexity by the default method, else random",
    .help =
        "selector of each step's branch: path:LGGL.., random, perplexity, kl, cosine (`mop list "
        "selectors`); selects MoP's loop over depth and width"};
inline const Option<int64_t> kSeed = {.name = "seed",
                                      .default_value = 0,
                                      .range = at_least(0),
                                      .help = "seed of the selector and of random samples"};
inline const Option<std::vector<int64_t>> kProtect = {
    .name = "protect",
    .default_value = std::vector<int64_t>(),
    .help = "layers that are not removed, e.g. 0,1,-1; negative numbers count from the end"};
inline const Option<std::vector<std::string>> kBranches = {
    .name = "branches",
    .unset = "damage, damage-uniform by the default method, else depth, width",
    .range = row_of<all_branches>(),
    .help = "branches to use, in the selectors' order"};
inline const Option<bool> kUniform = {
    .name = "uniform",
    .default_value = false,
    .help = "default method with equal sizes in every layer, as some runtimes need"};

inline const Option<std::string> kCalibration = {
    .name = "file",
    .unset = "built-in, the text that comes with the program",
    .help = "calibration text: .txt, .jsonl, .json or .parquet"};
inline const Option<std::string> kImages = {
    .name = "images",
    .default_value = "",
    .help = "folder of the samples' images, for LLaVA; default: the file's folder"};
inline const Option<int64_t> kSamples = {.name = "samples",
                                         .default_value = SampleOptions().samples,
                                         .range = at_least(1),
                                         .help = "number of samples"};
inline const Option<std::string> kSample = {
    .name = "sample",
    .default_value = "first",
    .range = one_of({"first", "random"}),
    .help = "the first samples, or random ones by the seed"};
inline const Option<int64_t> kMaxTokens = {.name = "max_tokens",
                                           .unset = "the model's context",
                                           .range = at_least(0),
                                           .help = "maximum length of a sample"};
inline const Option<std::string> kValidation = {
    .name = "file",
    .unset = "the samples after the calibration samples, an eighth as many",
    .help = "held-out text for selectors"};

inline const Option<int64_t> kIterations = {
    .name = "iterations", .unset = "no limit", .range = at_least(1), .help = "number of steps"};
inline const Option<double> kRemove = {
    .name = "remove",
    .unset = "no limit",
    .range = {.least = 0, .most = 1, .above_least = true, .below_most = true},
    .help = "fraction to remove, e.g. 0.4"};
inline const Option<std::string> kSize = {
    .name = "size",
    .unset = "no limit",
    .help =
        "maximum of the counted quantity after the run, instead of a fraction to remove: 5B "
        "(parameters), 6GB (memory), 64KiB (kv-cache, per token), 12ms (latency, per token)"};
inline const Option<int64_t> kRounds = {
    .name = "rounds",
    .unset = "2 by the default method, else steps of one layer's parameters",
    .range = between(0, 1000),
    .help = "number of equal steps in which the fraction is removed, each with new statistics"};
inline const Option<std::string> kOf = {
    .name = "of",
    .default_value = "all",
    .range = one_of({"all", "blocks", "tower"}),
    .help =
        "what the fraction counts: all, the layers only (blocks), or attention and MLPs of the "
        "vision tower's computed layers (tower)"};
inline const Option<std::string> kCurrency = {
    .name = "currency",
    .default_value = "parameters",
    .range = row_of<all_currencies>(),
    .help =
        "counted quantity; latency is measured on this machine (`mop list currencies`); --target "
        "memory=6GB leaves at most that, without --remove"};

inline const Option<std::string> kDevice = {
    .name = "device", .default_value = "cpu", .help = "cpu, cuda or cuda:N"};
inline const Option<std::string> kDtype = {.name = "dtype",
                                           .unset = "float32 on the CPU, bfloat16 on a GPU",
                                           .range = one_of({"float32", "bfloat16"}),
                                           .help = "compute dtype; stored weights keep theirs"};

inline const Option<std::string> kRepair = {
    .name = "method",
    .unset = "least-squares by the default method, else none",
    .range = {.names = repairs_or_none},
    .help =
        "new values for the remaining weights, without training the whole model (`mop list "
        "repairs`)"};
inline const Option<std::string> kWhen = {
    .name = "when",
    .unset = "steps by the default method, unless the repair is bias; else end",
    .range = one_of({"end", "steps"}),
    .help = "steps: repair every candidate before it is evaluated; end: once, after all steps"};

inline const Option<std::string> kRecoveryWhen = {
    .name = "when",
    .default_value = "end",
    .range = one_of({"end", "steps"}),
    .help = "steps: train after every step; end: train the result once"};

inline const Option<std::string> kWeights = {
    .name = "method",
    .default_value = SparseOptions().method,
    .range = row_of<all_sparse_methods>(),
    .help = "method that selects single weights to set to zero"};
inline const Option<double> kSparsity = {
    .name = "sparsity",
    .default_value = SparsityPattern().fraction,
    .range = {.least = 0, .most = 1, .above_least = true, .below_most = true},
    .help = "fraction of the projections' weights to set to zero"};
inline const Option<std::string> kPattern = {.name = "pattern",
                                             .unset = "none: `sparsity` is used",
                                             .help = "number of inputs kept per group, e.g. 2:4"};

}  // namespace mop::recipe_options
