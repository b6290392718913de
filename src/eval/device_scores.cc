// eval/device_scores.cc
#include "eval/device_scores.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/pieces.h"
#include "model/finite_logits.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Bytes of one model's logits per piece, in its dtype. A comparison holds about ten times as much
// in float32.
constexpr int64_t kDevicePieceBytes = int64_t{256} << 20;
constexpr int64_t kLeastRows = 16;

// A range of predictions.
struct Piece {
  int64_t first = 0, count = 0;
  at::Tensor rows_R, targets_R1;
};

void for_predictions(const DevicePredictions& all, int64_t row_bytes,
                     const std::function<void(const Piece&)>& use) {
  const int64_t most = std::max(kLeastRows, kDevicePieceBytes / row_bytes);
  for_pieces(all.size(), most, [&](int64_t first, int64_t count) {
    use({first, count, all.rows_R.narrow(0, first, count),
         all.targets_R.narrow(0, first, count).unsqueeze(1)});
  });
}

int64_t row_bytes(const LastHidden& model) {
  return model.globals.head_VD.size(0) * model.hidden_ND.element_size();
}

// A model's output for some rows.
struct RowOutput {
  at::Tensor hidden_RD, logits_RV;
  at::Tensor log_p_RV;  // float32
};

RowOutput output_of(const LastHidden& model, const Piece& piece) {
  RowOutput output;
  output.hidden_RD = model.hidden_ND.index_select(0, piece.rows_R);
  output.logits_RV = logits(model.globals, model.config, output.hidden_RD);
  output.log_p_RV = at::log_softmax(output.logits_RV, 1, at::kFloat);
  return output;
}

at::Tensor nll_of(const RowOutput& output, const Piece& piece) {
  return output.log_p_RV.gather(1, piece.targets_R1).squeeze(1).neg();
}

// Returns 1 where the target is the most likely token, the first among equals.
at::Tensor greedy_of(const RowOutput& output, const Piece& piece) {
  return output.logits_RV.argmax(1).eq(piece.targets_R1.squeeze(1)).to(at::kFloat);
}

// Returns KL(dense || model); overwrites model.log_p_RV.
at::Tensor take_kl(const at::Tensor& dense_log_p_RV, const at::Tensor& dense_p_RV,
                   RowOutput& model) {
  return model.log_p_RV.neg_().add_(dense_log_p_RV).mul_(dense_p_RV).sum(1);
}

at::Tensor table(at::IntArrayRef shape, const DevicePredictions& predictions) {
  return at::empty(shape, predictions.rows_R.options().dtype(at::kFloat));
}

// Writes `values_R` to the piece's range of a row of the table.
void put(const at::Tensor& line_R, const Piece& piece, const at::Tensor& values_R) {
  line_R.narrow(0, piece.first, piece.count).copy_(values_R);
}

void require_finite(const at::Tensor& values_R, const DevicePredictions& predictions) {
  const at::Tensor bad_R = values_R.isfinite().logical_not();
  if (!bad_R.any().item<bool>()) return;
  const int64_t first = bad_R.nonzero()[0].item<int64_t>();
  throw not_finite_logits(predictions.host_rows_R[first].item<int64_t>());
}

TokenScores scores_of(const at::Tensor& nll_R, const at::Tensor& greedy_R,
                      const DevicePredictions& predictions) {
  require_finite(nll_R, predictions);
  return {nll_R.contiguous(), greedy_R.ne(0).contiguous()};
}

}  // namespace

DevicePredictions::DevicePredictions(const at::Tensor& rows, const at::Tensor& targets,
                                     int64_t vocab, c10::Device device)
    : host_rows_R(rows) {
  if (targets.numel() > 0 && targets.max().item<int64_t>() >= vocab) {
    throw bad_input("token id {} is outside the model's vocabulary of {}",
                    targets.max().item<int64_t>(), vocab)
        .hint("the tokenizer belongs to another model");
  }
  const at::Tensor both_2R = upload(at::stack({rows, targets}), device);
  rows_R = both_2R[0];
  targets_R = both_2R[1];
}

TokenScores token_scores(const LastHidden& model, const DevicePredictions& predictions) {
  const c10::NoGradGuard no_grad;
  const at::Tensor table_2R = table({2, predictions.size()}, predictions);
  for_predictions(predictions, row_bytes(model), [&](const Piece& piece) {
    const RowOutput output = output_of(model, piece);
    put(table_2R[0], piece, nll_of(output, piece));
    put(table_2R[1], piece, greedy_of(output, piece));
  });
  const at::Tensor host_2R = table_2R.cpu();
  return scores_of(host_2R[0], host_2R[1], predictions);
}

TokenComparison compare_token_scores(const LastHidden& dense, const LastHidden& model,
                                     const DevicePredictions& predictions) {
  const c10::NoGradGuard no_grad;
  const at::Tensor table_6R = table({6, predictions.size()}, predictions);
  for_predictions(predictions, 2 * row_bytes(dense), [&](const Piece& piece) {
    const RowOutput dense_output = output_of(dense, piece);
    RowOutput model_output = output_of(model, piece);
    put(table_6R[0], piece, nll_of(dense_output, piece));
    put(table_6R[1], piece, greedy_of(dense_output, piece));
    put(table_6R[2], piece, nll_of(model_output, piece));
    put(table_6R[3], piece, greedy_of(model_output, piece));
    put(table_6R[4], piece,
        take_kl(dense_output.log_p_RV, dense_output.log_p_RV.exp(), model_output));
    put(table_6R[5], piece, dense_output.logits_RV.argmax(1).eq(model_output.logits_RV.argmax(1)));
  });
  const at::Tensor host = table_6R.cpu();
  TokenComparison sums;
  sums.dense = scores_of(host[0], host[1], predictions);
  sums.model = scores_of(host[2], host[3], predictions);
  sums.kl = host[4].sum(at::kDouble).item<double>();
  sums.agreed = host[5].ne(0).sum().item<int64_t>();
  return sums;
}

std::vector<Validation> compare_tokens(const LastHidden& dense,
                                       std::span<const LastHidden> candidates,
                                       const DevicePredictions& predictions) {
  const c10::NoGradGuard no_grad;
  const auto count = static_cast<int64_t>(candidates.size());
  const at::Tensor table_C3R = table({count, 3, predictions.size()}, predictions);
  for_predictions(predictions, 2 * row_bytes(dense), [&](const Piece& piece) {
    const RowOutput dense_output = output_of(dense, piece);
    const at::Tensor dense_p_RV = dense_output.log_p_RV.exp();
    for (int64_t c = 0; c < count; ++c) {
      const LastHidden& candidate = candidates[static_cast<size_t>(c)];
      RowOutput model_output = output_of(candidate, piece);
      put(table_C3R[c][0], piece, nll_of(model_output, piece));
      put(table_C3R[c][1], piece, take_kl(dense_output.log_p_RV, dense_p_RV, model_output));
      put(table_C3R[c][2], piece,
          row_cosine(dense, dense_output.hidden_RD, candidate, model_output.hidden_RD));
    }
  });
  const at::Tensor sums_C3 = table_C3R.sum(2, false, at::kDouble).cpu();
  std::vector<Validation> sums;
  for (int64_t c = 0; c < count; ++c) {
    const auto sum = [&](int64_t line) { return sums_C3[c][line].item<double>(); };
    // Downloads single tokens only after a failure.
    if (!std::isfinite(sum(0) + sum(1))) {
      require_finite((table_C3R[c][0] + table_C3R[c][1]).cpu(), predictions);
    }
    sums.push_back({sum(0), sum(1), sum(2)});
  }
  return sums;
}

}  // namespace mop
