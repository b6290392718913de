// pipeline/recipe_options.h -- the settings of a pruning recipe that are no row's own, as they are
// declared. Those of branches, criteria, depth rules, allocations and repairs stand in their
// tables.
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
    .help = "replay the steps of this plan.json; then there is no target"};
inline const Option<std::string> kSelect = {
    .name = "select",
    .unset = "perplexity by the default method, else random",
    .help =
        "which branch a step takes: path:LGGL.., random, perplexity, kl, cosine (`mop list "
        "selectors`); makes it MoP's loop over depth and width"};
inline const Option<int64_t> kSeed = {.name = "seed",
                                      .default_value = 0,
                                      .range = at_least(0),
                                      .help = "of the selector and of drawn samples"};
inline const Option<std::vector<int64_t>> kProtect = {
    .name = "protect",
    .default_value = std::vector<int64_t>(),
    .help = "layers that no step removes whole, 0,1,-1: negative ones count from the end"};
inline const Option<std::vector<std::string>> kBranches = {
    .name = "branches",
    .unset = "damage, damage-uniform by the default method, else depth, width",
    .range = row_of<all_branches>(),
    .help = "which branches take part, in the selectors' order"};
inline const Option<bool> kUniform = {
    .name = "uniform",
    .default_value = false,
    .help = "the default method with equal sizes in every layer, which some runtimes want"};

inline const Option<std::string> kCalibration = {
    .name = "file",
    .unset = "built-in, the text that comes with the program",
    .help = "text to measure on: .txt, .jsonl, .json or .parquet"};
inline const Option<std::string> kImages = {
    .name = "images",
    .default_value = "",
    .help = "folder of the samples' pictures, for LLaVA; that of the file where there is none"};
inline const Option<int64_t> kSamples = {.name = "samples",
                                         .default_value = SampleOptions().samples,
                                         .range = at_least(1),
                                         .help = "how many samples"};
inline const Option<std::string> kSample = {.name = "sample",
                                            .default_value = "first",
                                            .range = one_of({"first", "random"}),
                                            .help = "the first ones, or drawn by the seed"};
inline const Option<int64_t> kMaxTokens = {.name = "max_tokens",
                                           .unset = "the model's context",
                                           .range = at_least(0),
                                           .help = "cut each sample"};
inline const Option<std::string> kValidation = {
    .name = "file",
    .unset = "the samples behind the calibration ones, an eighth as many",
    .help = "text that selectors judge on"};

inline const Option<int64_t> kIterations = {
    .name = "iterations", .unset = "no limit", .range = at_least(1), .help = "number of steps"};
inline const Option<double> kRemove = {
    .name = "remove",
    .unset = "no limit",
    .range = {.least = 0, .most = 1, .above_least = true, .below_most = true},
    .help = "fraction to remove, 0.4"};
inline const Option<std::string> kSize = {
    .name = "size",
    .unset = "no limit",
    .help =
        "instead of a fraction to remove: what may be left of what `currency` names, 5B (of "
        "parameters), 6GB (memory), 64KiB (kv-cache, a token), 12ms (latency, a token)"};
inline const Option<int64_t> kRounds = {
    .name = "rounds",
    .unset = "2 by the default method, else one layer's worth a step",
    .range = at_least(0),
    .help = "steps of equal size in which the fraction goes, each with statistics anew"};
inline const Option<std::string> kOf = {
    .name = "of",
    .default_value = "all",
    .range = one_of({"all", "blocks", "tower"}),
    .help =
        "what the fraction counts, blocks: the layers alone, tower: the vision tower's heads and "
        "MLPs that are computed"};
inline const Option<std::string> kCurrency = {
    .name = "currency",
    .default_value = "parameters",
    .range = row_of<all_currencies>(),
    .help =
        "what the fraction is of, latency as measured here (`mop list currencies`); --target "
        "memory=6GB leaves at most that, without --remove"};

inline const Option<std::string> kDevice = {
    .name = "device", .default_value = "cpu", .help = "cpu, cuda or cuda:N"};
inline const Option<std::string> kDtype = {.name = "dtype",
                                           .unset = "float32 on the CPU, bfloat16 on a GPU",
                                           .range = one_of({"float32", "bfloat16"}),
                                           .help = "to compute in; stored weights keep theirs"};

inline const Option<std::string> kRepair = {
    .name = "method",
    .unset = "least-squares by the default method, else none",
    .range = {.names = repairs_or_none},
    .help = "new values for what is left, without training the whole model (`mop list repairs`)"};
inline const Option<std::string> kWhen = {
    .name = "when",
    .unset = "steps by the default method, else end",
    .range = one_of({"end", "steps"}),
    .help = "steps: every candidate before it is judged; end: once, of what all steps left"};

inline const Option<std::string> kRecoveryWhen = {
    .name = "when",
    .default_value = "end",
    .range = one_of({"end", "steps"}),
    .help = "steps: what every step left is trained before the next; end: once, the result"};

inline const Option<std::string> kWeights = {.name = "method",
                                             .default_value = SparseOptions().method,
                                             .range = row_of<all_sparse_methods>(),
                                             .help = "single weights that become zero"};
inline const Option<double> kSparsity = {
    .name = "sparsity",
    .default_value = SparsityPattern().fraction,
    .range = {.least = 0, .most = 1, .above_least = true, .below_most = true},
    .help = "fraction of the projections' weights that become zero"};
inline const Option<std::string> kPattern = {
    .name = "pattern",
    .unset = "none: sparsity says how many",
    .help = "2:4: zeros so that so many of each group of inputs stay"};

}  // namespace mop::recipe_options
