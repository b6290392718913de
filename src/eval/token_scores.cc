// eval/token_scores.cc -- applies the output head in pieces of a few dozen MiB of logits.
#include "eval/token_scores.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "base/pieces.h"
#include "eval/row_kernels.h"
#include "model/finite_logits.h"

namespace mop {
namespace {

// Bytes of logits per piece: small enough for the last-level cache, large enough that reading the
// head's weights once per piece is negligible.
constexpr int64_t kPieceBytes = int64_t{32} << 20;

int64_t rows_per_piece(const GlobalWeights& globals, const at::Tensor& hidden_ND) {
  const int64_t row_bytes = globals.head_VD.size(0) * hidden_ND.element_size();
  return std::max<int64_t>(16, kPieceBytes / row_bytes);
}

// Calls visit(positions_R, targets_R) for the scored positions, in pieces of `rows`.
template <typename Visit>
void for_scored(const at::Tensor& targets_N, int64_t rows, Visit visit) {
  const at::Tensor scored_S = targets_N.ge(0).nonzero().squeeze(1);
  for_pieces(scored_S.size(0), rows, [&](int64_t first, int64_t count) {
    const at::Tensor positions_R = scored_S.narrow(0, first, count);
    visit(positions_R, targets_N.index_select(0, positions_R));
  });
}

TokenScores empty_scores(const at::Tensor& targets_R) {
  return {at::empty({targets_R.size(0)}, at::kFloat), at::empty({targets_R.size(0)}, at::kBool)};
}

at::Tensor rows_of(const at::Tensor& hidden_ND, const at::Tensor& positions_R) {
  const int64_t count = positions_R.size(0);
  const int64_t first = positions_R[0].item<int64_t>();
  const bool contiguous = positions_R[count - 1].item<int64_t>() - first + 1 == count;
  if (contiguous) return hidden_ND.narrow(0, first, count);
  return hidden_ND.index_select(0, positions_R);
}

void require_finite(const at::Tensor& values_R, const at::Tensor& positions_R) {
  const at::Tensor bad = values_R.isfinite().logical_not();
  if (!bad.any().item<bool>()) return;
  const int64_t first = bad.nonzero()[0].item<int64_t>();
  throw not_finite_logits(positions_R[first].item<int64_t>());
}

// Writes the scores of logits_RV, which belong to the predictions from index `first` on.
void score_piece(const at::Tensor& logits_RV, const at::Tensor& targets_R, int64_t first,
                 TokenScores& scores) {
  const int64_t count = logits_RV.size(0);
  const RowScores rows = row_scores(logits_RV, targets_R.narrow(0, first, count));
  require_finite(rows.nll_R, at::arange(first, first + count, at::kLong));
  scores.nll_R.narrow(0, first, count).copy_(rows.nll_R);
  scores.greedy_R.narrow(0, first, count).copy_(rows.greedy_R);
}

void check_targets(const at::Tensor& hidden_ND, const at::Tensor& targets_N, int64_t vocab) {
  if (targets_N.size(0) != hidden_ND.size(0)) {
    throw internal_error("{} targets for {} tokens", targets_N.size(0), hidden_ND.size(0));
  }
  if (targets_N.numel() > 0 && targets_N.max().item<int64_t>() >= vocab) {
    throw bad_input("token id {} is outside the model's vocabulary of {}",
                    targets_N.max().item<int64_t>(), vocab)
        .hint("the tokenizer belongs to another model");
  }
}

}  // namespace

at::Tensor row_cosine(const LastHidden& dense, const at::Tensor& dense_RD, const LastHidden& model,
                      const at::Tensor& model_RD) {
  const auto normed = [](const LastHidden& x, const at::Tensor& rows_RD) {
    return rows_RD.to(at::kFloat) * x.globals.final_norm_D.to(at::kFloat);
  };
  const at::Tensor a_RD = normed(dense, dense_RD), b_RD = normed(model, model_RD);
  const at::Tensor norms_R = (a_RD.norm(2, 1) * b_RD.norm(2, 1)).clamp_min(1e-30);
  const at::Tensor shared_RD =
      model.channels_D.defined() ? a_RD.index_select(1, model.channels_D) : a_RD;
  return (shared_RD * b_RD).sum(1) / norms_R;
}

TokenScores token_scores(const GlobalWeights& globals, const ModelConfig& config,
                         const at::Tensor& hidden_RD, const at::Tensor& targets_R) {
  const c10::NoGradGuard no_grad;
  check_targets(hidden_RD, targets_R, globals.head_VD.size(0));
  TokenScores scores = empty_scores(targets_R);
  for_pieces(
      targets_R.size(0), rows_per_piece(globals, hidden_RD), [&](int64_t first, int64_t count) {
        const at::Tensor logits_RV = logits(globals, config, hidden_RD.narrow(0, first, count));
        score_piece(logits_RV, targets_R, first, scores);
      });
  return scores;
}

TokenComparison compare_token_scores(const LastHidden& dense, const LastHidden& model,
                                     const at::Tensor& targets_R) {
  const c10::NoGradGuard no_grad;
  check_targets(dense.hidden_ND, targets_R, dense.globals.head_VD.size(0));
  TokenComparison sums{empty_scores(targets_R), empty_scores(targets_R)};
  for_pieces(targets_R.size(0), rows_per_piece(dense.globals, dense.hidden_ND) / 2,
             [&](int64_t first, int64_t count) {
               const auto logits_of = [&](const LastHidden& x) {
                 return logits(x.globals, x.config, x.hidden_ND.narrow(0, first, count));
               };
               const at::Tensor dense_RV = logits_of(dense), model_RV = logits_of(model);
               score_piece(dense_RV, targets_R, first, sums.dense);
               score_piece(model_RV, targets_R, first, sums.model);
               sums.kl += row_kl(dense_RV, model_RV).sum(at::kDouble).item<double>();
               sums.agreed += dense_RV.argmax(1).eq(model_RV.argmax(1)).sum().item<int64_t>();
             });
  return sums;
}

std::vector<Validation> compare_tokens(const LastHidden& dense,
                                       std::span<const LastHidden> candidates,
                                       const at::Tensor& targets_N) {
  const c10::NoGradGuard no_grad;
  check_targets(dense.hidden_ND, targets_N, dense.globals.head_VD.size(0));
  std::vector<Validation> sums(candidates.size());
  const auto logits_of = [](const LastHidden& x, const at::Tensor& positions_R) {
    return logits(x.globals, x.config, rows_of(x.hidden_ND, positions_R));
  };
  for_scored(targets_N, rows_per_piece(dense.globals, dense.hidden_ND) / 2,
             [&](const at::Tensor& positions_R, const at::Tensor& targets_R) {
               const at::Tensor dense_RV = logits_of(dense, positions_R);
               for (size_t c = 0; c < candidates.size(); ++c) {
                 const at::Tensor logits_RV = logits_of(candidates[c], positions_R);
                 const at::Tensor nll_R = row_nll(logits_RV, targets_R),
                                  kl_R = row_kl(dense_RV, logits_RV);
                 require_finite(nll_R + kl_R, positions_R);
                 sums[c].nll += nll_R.sum(at::kDouble).item<double>();
                 sums[c].kl += kl_R.sum(at::kDouble).item<double>();
                 sums[c].cosine +=
                     row_cosine(dense, rows_of(dense.hidden_ND, positions_R), candidates[c],
                                rows_of(candidates[c].hidden_ND, positions_R))
                         .sum(at::kDouble)
                         .item<double>();
               }
             });
  return sums;
}

}  // namespace mop
