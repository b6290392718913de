// eval/score_sequences.cc -- every group of documents goes through all layers, then through the
// head.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "eval/packed_groups.h"
#include "eval/perplexity.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

void add_group(const at::Tensor& nll_N, const Packing& packing, int64_t first,
               ScoredSequences& total) {
  const float* nll = nll_N.const_data_ptr<float>();
  for (const int64_t length : packing.lengths) {
    double sum = 0;
    for (int64_t t = first - 1; t + 1 < length; ++t) sum += static_cast<double>(nll[t]);
    nll += length;
    total.nll_sum += sum;
    total.mean_of_means += sum / static_cast<double>(length - first);
    total.scored_tokens += length - first;
  }
}

}  // namespace

ScoredSequences score_sequences(WeightLoader& weights,
                                std::span<const std::vector<int64_t>> sequences, Progress& progress,
                                int64_t first) {
  const c10::NoGradGuard no_grad;
  const ModelConfig& config = weights.model().config();
  const auto groups = pack_groups(sequences, group_tokens(config, weights.compute()));
  ScoredSequences total;
  int64_t done = 0;
  ForwardOptions options;
  options.after_layer = [&](int64_t) {
    progress.advance(++done);
    check_stop();
  };
  progress.begin("perplexity", static_cast<int64_t>(groups.size()) * weights.model().num_layers());
  for (const PackedGroup& group : groups) {
    const at::Tensor hidden_ND = run_layers(weights, group.ids_N, group.packing, options);
    const at::Tensor nll_N = token_nll(weights.globals(), config, hidden_ND, group.targets_N);
    add_group(nll_N, group.packing, first, total);
  }
  progress.end();
  check_mappings();
  total.mean_of_means /= static_cast<double>(sequences.size());
  return total;
}

}  // namespace mop
