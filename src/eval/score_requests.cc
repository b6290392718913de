// eval/score_requests.cc -- runs each group through all layers, then its scored tokens through the
// head. Shape letters: R predictions, D hidden.
#include "eval/score_requests.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "base/pieces.h"
#include "eval/device_scores.h"
#include "eval/packed_groups.h"
#include "eval/token_scores.h"
#include "model/rope_types.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Predictions whose hidden states are gathered together for the head.
constexpr int64_t kPredictions = 8192;

void add_answers(const RequestGroup& group, const TokenScores& scores, Answers& answers) {
  const float* nll = scores.nll_R.const_data_ptr<float>();
  const bool* greedy = scores.greedy_R.const_data_ptr<bool>();
  for (const auto& [question, request, scored] : group.places) {
    LogLikelihood& answer = answers[question][request];
    for (int64_t t = 0; t < scored; ++t) {
      answer.sum -= static_cast<double>(*nll++);
      answer.greedy = *greedy++ && answer.greedy;
    }
  }
}

Answers empty_answers(std::span<const Question> questions) {
  Answers answers;
  for (const Question& question : questions) answers.emplace_back(question.size());
  return answers;
}

/// Counts layers for progress reports.
class LayerProgress {
 public:
  LayerProgress(Progress& progress, size_t groups, int64_t layers) : progress_(progress) {
    options.after_layer = [this](int64_t) { progress_.advance(++done_); };
    progress_.begin("requests", static_cast<int64_t>(groups) * layers);
  }
  void end() {
    progress_.end();
    check_mappings();
  }
  ForwardOptions options;

 private:
  Progress& progress_;
  int64_t done_ = 0;
};

DevicePredictions on_device(const RequestGroup& group, const LastHidden& model) {
  return {group.rows_R, group.targets_R, model.globals.head_VD.size(0), model.hidden_ND.device()};
}

TokenScores score_group(WeightLoader& weights, const RequestGroup& group,
                        const ForwardOptions& options) {
  const at::Tensor hidden_ND = run_layers(weights, group.ids_N, group.packing, options);
  if (!hidden_ND.is_cpu()) {
    const LastHidden last{weights.globals(), weights.model().config(), hidden_ND};
    return token_scores(last, on_device(group, last));
  }
  std::vector<at::Tensor> nll, greedy;
  for_pieces(group.rows_R.size(0), kPredictions, [&](int64_t first, int64_t count) {
    TokenScores part = token_scores(weights.globals(), weights.model().config(),
                                    hidden_ND.index_select(0, group.rows_R.narrow(0, first, count)),
                                    group.targets_R.narrow(0, first, count));
    nll.push_back(part.nll_R);
    greedy.push_back(part.greedy_R);
  });
  return {at::cat(nll), at::cat(greedy)};
}

/// The sums of a comparison, and both models' outputs for the current group.
struct ComparedGroup {
  TokenScores model, dense;
  double kl = 0;
  int64_t agreed = 0;
};

ComparedGroup compare_group(WeightLoader& model, WeightLoader& dense, const RequestGroup& group,
                            const ForwardOptions& options) {
  const at::Tensor model_ND = run_layers(model, group.ids_N, group.packing, options),
                   dense_ND = run_layers(dense, group.ids_N, group.packing, options);
  if (!model_ND.is_cpu()) {
    const LastHidden dense_last{dense.globals(), dense.model().config(), dense_ND},
        model_last{model.globals(), model.model().config(), model_ND};
    const TokenComparison sums =
        compare_token_scores(dense_last, model_last, on_device(group, dense_last));
    return {sums.model, sums.dense, sums.kl, sums.agreed};
  }
  ComparedGroup compared;
  std::vector<at::Tensor> nll, greedy, dense_nll, dense_greedy;
  for_pieces(group.rows_R.size(0), kPredictions, [&](int64_t first, int64_t count) {
    const at::Tensor rows_R = group.rows_R.narrow(0, first, count);
    const at::Tensor model_RD = model_ND.index_select(0, rows_R);
    const at::Tensor dense_RD = dense_ND.index_select(0, rows_R);
    const TokenComparison part =
        compare_token_scores({dense.globals(), dense.model().config(), dense_RD},
                             {model.globals(), model.model().config(), model_RD},
                             group.targets_R.narrow(0, first, count));
    nll.push_back(part.model.nll_R);
    greedy.push_back(part.model.greedy_R);
    dense_nll.push_back(part.dense.nll_R);
    dense_greedy.push_back(part.dense.greedy_R);
    compared.kl += part.kl;
    compared.agreed += part.agreed;
  });
  compared.model = {at::cat(nll), at::cat(greedy)};
  compared.dense = {at::cat(dense_nll), at::cat(dense_greedy)};
  return compared;
}

void check_vocabularies(const ModelConfig& model, const ModelConfig& dense) {
  if (model.vocab == dense.vocab) return;
  throw bad_input("vocabularies of {} and {} tokens cannot be compared", model.vocab, dense.vocab)
      .hint("--vs takes the model that this one was made from");
}

}  // namespace

Answers score_requests(WeightLoader& weights, std::span<const Question> questions,
                       Progress& progress) {
  const c10::NoGradGuard no_grad;
  Answers answers = empty_answers(questions);
  const Model& model = weights.model();
  const auto groups = group_requests(questions, group_tokens(model.config(), weights.compute()),
                                     longest_with_shared_rope(model.config().rope));
  LayerProgress layers(progress, groups.size(), model.num_layers());
  for (const RequestGroup& group : groups) {
    add_answers(group, score_group(weights, group, layers.options), answers);
  }
  layers.end();
  return answers;
}

Comparison compare_requests(WeightLoader& model, WeightLoader& dense,
                            std::span<const Question> questions, Progress& progress) {
  const c10::NoGradGuard no_grad;
  check_vocabularies(model.model().config(), dense.model().config());
  Comparison comparison{empty_answers(questions), empty_answers(questions)};
  const int64_t most = std::min(group_tokens(model.model().config(), model.compute()),
                                group_tokens(dense.model().config(), dense.compute()));
  const auto groups =
      group_requests(questions, most / 2,
                     std::min(longest_with_shared_rope(model.model().config().rope),
                              longest_with_shared_rope(dense.model().config().rope)));
  LayerProgress layers(progress, groups.size(),
                       model.model().num_layers() + dense.model().num_layers());
  int64_t agreed = 0, predictions = 0;
  for (const RequestGroup& group : groups) {
    const ComparedGroup compared = compare_group(model, dense, group, layers.options);
    add_answers(group, compared.model, comparison.model);
    add_answers(group, compared.dense, comparison.dense);
    comparison.kl += compared.kl;
    agreed += compared.agreed;
    predictions += group.targets_R.size(0);
  }
  layers.end();
  comparison.kl /= static_cast<double>(predictions);
  comparison.agreement = static_cast<double>(agreed) / static_cast<double>(predictions);
  return comparison;
}

}  // namespace mop
