// gradient/output_loss.cc
#include "gradient/output_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "model/forward.h"
#include "model/gradient_kernels.h"
#include "model/kernels.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Bytes of float32 logits per piece: several such tensors fit the cache, and the allocator keeps
// blocks of this size. Smaller pieces would read the weights of a large head too often.
constexpr int64_t kPieceBytesCpu = int64_t{4} << 20;
constexpr int64_t kLeastRows = 128;
// On a device, pieces must be large enough for efficient products; memory is the limit.
constexpr int64_t kPieceBytesGpu = int64_t{512} << 20;
// Number of tensors of this size alive at once, with compute-dtype tensors counted by bytes.
constexpr int64_t kPiecesAlive = 4, kPiecesOfTeacher = 8;

int64_t rows_of_piece(int64_t vocab, bool on_cpu) {
  const int64_t bytes = on_cpu ? kPieceBytesCpu : kPieceBytesGpu;
  return std::max(kLeastRows, bytes / (vocab * int64_t{sizeof(float)}));
}

// A piece of the scored tokens, R of them.
struct Rows {
  at::Tensor hidden_RD, teacher_RD;
  at::Tensor target_R1;  // int64
  at::Tensor weight_R1;  // float32
};

class Head {
 public:
  Head(const GlobalWeights& globals, const ModelConfig& config, bool gradients,
       const TeacherHidden* teacher, const LossMix& mix, OutputLoss& sums)
      : globals_(globals),
        config_(config),
        gradients_(gradients),
        teacher_(teacher),
        mix_(mix),
        sums_(sums) {}

  /// Adds to the sums; returns the gradient with respect to the rows' hidden states.
  at::Tensor run(const Rows& rows) {
    at::Tensor normed_RD = at::empty_like(rows.hidden_RD);
    rms_norm_out(rows.hidden_RD, globals_.final_norm_D, config_.norm_eps, normed_RD);
    const at::Tensor logits_RV = at::linear(normed_RD, globals_.head_VD).to(at::kFloat);
    const at::Tensor log_p_RV = at::log_softmax(logits_RV, 1);
    const at::Tensor nll_R1 = log_p_RV.gather(1, rows.target_R1).neg_();
    sums_.nll.add(nll_R1.sum(at::kDouble));
    at::Tensor d_logits_RV;
    const double share = teacher_ == nullptr ? 1 : mix_.cross_entropy;
    if (share > 0) d_logits_RV = cross_entropy(rows, log_p_RV, nll_R1, share);
    if (share < 1) {
      const at::Tensor d_RV = divergence(rows, logits_RV, 1 - share);
      d_logits_RV = d_logits_RV.defined() ? d_logits_RV.add_(d_RV) : d_RV;
    }
    return gradients_ ? backward(rows, normed_RD, d_logits_RV.to(normed_RD.scalar_type()))
                      : at::Tensor();
  }

 private:
  at::Tensor cross_entropy(const Rows& rows, const at::Tensor& log_p_RV, const at::Tensor& nll_R1,
                           double share) {
    const at::Tensor weight_R1 = rows.weight_R1 * share;
    sums_.loss.add((nll_R1 * weight_R1).sum(at::kDouble));
    if (!gradients_) return {};
    // softmax, with 1 subtracted at the target
    at::Tensor d_RV = log_p_RV.is_cpu() ? log_p_RV.exp() : log_p_RV.exp_();
    d_RV.scatter_add_(1, rows.target_R1, at::full_like(nll_R1, -1));
    if (d_RV.is_cpu() || share < 1) return d_RV.mul_(weight_R1);
    at::Tensor rounded_RV = at::empty(d_RV.sizes(), rows.hidden_RD.options());
    return at::mul_out(rounded_RV, d_RV, weight_R1);
  }

  at::Tensor divergence(const Rows& rows, const at::Tensor& logits_RV, double share) {
    const double t = mix_.temperature;
    const at::Tensor teacher_RV =
        logits(teacher_->globals, teacher_->config, rows.teacher_RD).to(at::kFloat);
    const at::Tensor log_p_RV = at::log_softmax(teacher_RV / t, 1);
    const at::Tensor log_q_RV = at::log_softmax(logits_RV / t, 1);
    const at::Tensor p_RV = log_p_RV.exp();
    const at::Tensor weight_R1 = rows.weight_R1 * share;
    const at::Tensor kl_R1 = (p_RV * (log_p_RV - log_q_RV)).sum(1, /*keepdim=*/true);
    sums_.loss.add((kl_R1 * weight_R1).sum(at::kDouble).mul_(t).mul_(t));
    if (!gradients_) return {};
    return log_q_RV.exp().sub_(p_RV).mul_(weight_R1 * t);
  }

  at::Tensor backward(const Rows& rows, const at::Tensor& normed_RD,
                      const at::Tensor& d_logits_RV) {
    const at::Tensor d_normed_RD = at::mm(d_logits_RV, globals_.head_VD);
    if (globals_.head_VD.requires_grad()) {
      add(sums_.d_head_VD, at::mm(d_logits_RV.t(), normed_RD));
    }
    if (globals_.final_norm_D.requires_grad()) {
      add(sums_.d_norm_D, rms_norm_weight_backward(d_normed_RD, rows.hidden_RD,
                                                   globals_.final_norm_D, config_.norm_eps));
    }
    return rms_norm_backward(d_normed_RD, rows.hidden_RD, globals_.final_norm_D, config_.norm_eps);
  }

  static void add(at::Tensor& sum, const at::Tensor& term) {
    sum = sum.defined() ? sum.add_(term) : term.clone();
  }

  const GlobalWeights& globals_;
  const ModelConfig& config_;
  const bool gradients_;
  const TeacherHidden* teacher_;
  const LossMix& mix_;
  OutputLoss& sums_;
};

// The scored tokens, S of them, on the device.
struct Scored {
  at::Tensor at_S, target_S;  // int64
  at::Tensor weight_S;        // float32
};

Scored scored_tokens(const at::Tensor& scored_S, const at::Tensor& targets_N,
                     const at::Tensor& weights_N, at::Device device) {
  const at::Tensor target_S = targets_N.index_select(0, scored_S);
  const at::Tensor weight_S = weights_N.index_select(0, scored_S);
  if (device.is_cpu()) return {scored_S, target_S, weight_S};
  const at::Tensor both_2S = upload(at::stack({scored_S, target_S}), device);
  return {both_2S[0], both_2S[1], upload(weight_S, device)};
}

}  // namespace

int64_t output_loss_bytes(int64_t vocab, bool teacher) {
  const int64_t piece = rows_of_piece(vocab, false) * vocab * int64_t{sizeof(float)};
  return piece * (kPiecesAlive + (teacher ? kPiecesOfTeacher : 0));
}

OutputLoss output_loss(const GlobalWeights& globals, const ModelConfig& config,
                       const at::Tensor& hidden_ND, const at::Tensor& targets_N,
                       const at::Tensor& weights_N, bool gradients, const TeacherHidden* teacher,
                       const LossMix& mix) {
  const at::NoGradGuard no_grad;
  OutputLoss result;
  const at::Tensor scored_S = weights_N.ne(0).nonzero().squeeze(1);
  result.scored = scored_S.size(0);
  if (gradients) result.d_hidden_ND = at::zeros_like(hidden_ND);
  const at::Device device = hidden_ND.device();
  const int64_t rows = rows_of_piece(globals.head_VD.size(0), device.is_cpu());
  const Scored scored = scored_tokens(scored_S, targets_N, weights_N, device);
  Head head(globals, config, gradients, teacher, mix, result);
  for (int64_t begin = 0; begin < result.scored; begin += rows) {
    const auto part = [&, count = std::min(rows, result.scored - begin)](const at::Tensor& all) {
      return all.narrow(0, begin, count);
    };
    const at::Tensor there_R = part(scored.at_S);
    const auto pick = [&](const at::Tensor& x_ND) { return x_ND.index_select(0, there_R); };
    const at::Tensor d_RD =
        head.run({.hidden_RD = pick(hidden_ND),
                  .teacher_RD = teacher == nullptr ? at::Tensor() : pick(teacher->hidden_ND),
                  .target_R1 = part(scored.target_S).unsqueeze(1),
                  .weight_R1 = part(scored.weight_S).unsqueeze(1)});
    if (gradients) result.d_hidden_ND.index_copy_(0, there_R, d_RD);
  }
  return result;
}

}  // namespace mop
