// criteria/trained_gates.cc
//
// Shape letters: P all gates of the model, U those of one half layer.
#include "criteria/trained_gates.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "solve/hard_concrete.h"
#include "stats/backward_walk.h"
#include "structure/unit.h"

namespace mop {
namespace {

constexpr double kFirstLogit = 3;  // initially open with probability 0.99

// The gates of one half layer, a range of all gates.
struct HalfGates {
  int64_t layer = 0;
  UnitKind kind = UnitKind::kNeuron;
  int64_t first = 0, units = 0;
};

// Adam (arXiv 1412.6980) with default betas.
class Adam {
 public:
  explicit Adam(int64_t count)
      : mean_P_(at::zeros({count}, at::kDouble)), square_P_(mean_P_.clone()) {}
  // Returns the update to subtract.
  at::Tensor step(const at::Tensor& gradient_P, double learning_rate) {
    constexpr double kMean = 0.9, kSquare = 0.999, kEpsilon = 1e-8;
    ++steps_;
    mean_P_.mul_(kMean).add_(gradient_P, 1 - kMean);
    square_P_.mul_(kSquare).addcmul_(gradient_P, gradient_P, 1 - kSquare);
    const at::Tensor mean_P = mean_P_ / (1 - std::pow(kMean, steps_));
    const at::Tensor square_P = square_P_ / (1 - std::pow(kSquare, steps_));
    return learning_rate * mean_P / (square_P.sqrt() + kEpsilon);
  }

 private:
  at::Tensor mean_P_, square_P_;
  int steps_ = 0;
};

class Training {
 public:
  Training(const Model& model, const Compute& compute, const TokenSamples& samples,
           const GateTraining& settings, std::filesystem::path scratch)
      : model_(model),
        compute_(compute),
        samples_(with_targets(samples)),
        settings_(settings),
        scratch_(std::move(scratch)),
        halves_(half_gates()),
        prices_P_(prices()),
        logits_P_(at::full_like(prices_P_, kFirstLogit)),
        adam_(logits_P_.numel()),
        lambda_adam_(2) {}

  std::vector<LayerCurves> run(Progress& progress) {
    progress.begin("training gates", settings_.steps);
    for (int64_t step = 0; step < settings_.steps; ++step) {
      check_stop();
      take_step(step);
      progress.advance(step + 1);
    }
    progress.end();
    progress.note(fmt::format("gates: closed {:.1f}% of the cost, target {:.1f}%",
                              100 * closed_fraction(), 100 * target(settings_.steps)));
    return curves();
  }

 private:
  std::vector<HalfGates> half_gates() const {
    std::vector<HalfGates> halves;
    int64_t first = 0;
    for (int64_t layer = 0; layer < model_.num_layers(); ++layer) {
      for (const UnitKind kind : {UnitKind::kKvGroup, UnitKind::kNeuron}) {
        const int64_t units = num_units(kind, model_.config().layers[static_cast<size_t>(layer)]);
        if (units == 0) continue;
        halves.push_back({layer, kind, first, units});
        first += units;
      }
    }
    return halves;
  }

  at::Tensor prices() const {
    std::vector<at::Tensor> parts;
    for (const HalfGates& half : halves_) {
      const auto layer = static_cast<size_t>(half.layer);
      const double price = half.kind == UnitKind::kNeuron ? settings_.neuron_prices.at(layer)
                                                          : settings_.group_prices.at(layer);
      parts.push_back(at::full({half.units}, price, at::kDouble));
    }
    const at::Tensor all_P = at::cat(parts);
    const double sum = all_P.sum().item<double>();
    if (!(sum > 0) || !(settings_.budget < sum)) {
      throw bad_input("the target is {} but all gates together cost {}", settings_.budget, sum)
          .hint("lower the target");
    }
    return all_P;
  }

  double total_price() const { return prices_P_.sum().item<double>(); }
  double target(int64_t step) const {
    const double ramp = static_cast<double>(settings_.steps) / 2;
    return settings_.budget / total_price() * std::min(1.0, static_cast<double>(step) / ramp);
  }
  double closed_fraction() const {
    return 1 - prices_P_.dot(open_probability(logits_P_).gates_U).item<double>() / total_price();
  }

  void take_step(int64_t step) {
    Random random(settings_.seed, static_cast<uint64_t>(step));
    const TokenSamples batch = draw(random);
    const at::Tensor uniform_P = at::empty_like(logits_P_);
    double* uniform = uniform_P.data_ptr<double>();
    for (int64_t i = 0; i < uniform_P.numel(); ++i) {
      uniform[i] = std::clamp(random.uniform(), 1e-6, 1 - 1e-6);
    }
    const GateSample gates = sample_gates(logits_P_, uniform_P);
    const at::Tensor by_logit_P = loss_by_gate(batch, gates.gates_U) * gates.slopes_U;
    const GateSample open = open_probability(logits_P_);
    const double missing = closed_fraction() - target(step);
    // dc/dlogit = -price * slope / total.
    const double by_closed = lambdas_[0] + 2 * lambdas_[1] * missing;
    const at::Tensor penalty_P = -by_closed / total_price() * prices_P_ * open.slopes_U;
    logits_P_ -= adam_.step(by_logit_P + penalty_P, settings_.learning_rate);
    const at::Tensor ascent = lambda_adam_.step(
        -at::tensor({missing, missing * missing}, at::kDouble), settings_.learning_rate);
    for (int64_t i = 0; i < 2; ++i) lambdas_[i] -= ascent[i].item<double>();
  }

  TokenSamples draw(Random& random) const {
    const int64_t count = std::ssize(samples_.ids);
    TokenSamples batch;
    for (const int64_t i : random.sample(count, count)) {
      batch.ids.push_back(samples_.ids[static_cast<size_t>(i)]);
      if (batch.tokens() >= settings_.batch_tokens) break;
    }
    return batch;
  }

  // Returns the gradient of the mean cross-entropy with respect to the gates.
  at::Tensor loss_by_gate(const TokenSamples& batch, const at::Tensor& gates_P) const {
    std::vector<LayerMask> masks(static_cast<size_t>(model_.num_layers()));
    for (const HalfGates& half : halves_) {
      const at::Tensor gates_U = gates_P.narrow(0, half.first, half.units).to(at::kFloat);
      LayerMask& mask = masks[static_cast<size_t>(half.layer)];
      if (half.kind == UnitKind::kNeuron) {
        mask.neurons_I = gates_U.to(compute_.device);
      } else {
        mask.heads_H = gates_U.repeat_interleave(group_of(half.layer)).to(compute_.device);
      }
    }
    const at::Tensor gradient_P = at::zeros_like(gates_P);
    BackwardVisitor visitor;
    visitor.mask = [&](int64_t layer) { return &masks[static_cast<size_t>(layer)]; };
    visitor.visit = [&](const BackwardPiece& piece) { add(piece, gradient_P); };
    walk_backward(model_, compute_, batch, scratch_, visitor, silent_progress());
    const int64_t predicted = predicted_tokens(batch.ids, model_.config().vocab);
    return gradient_P / static_cast<double>(std::max<int64_t>(1, predicted));
  }

  int64_t group_of(int64_t layer) const {
    return model_.config().layers[static_cast<size_t>(layer)].group();
  }

  void add(const BackwardPiece& piece, const at::Tensor& gradient_P) const {
    for (const HalfGates& half : halves_) {
      if (half.layer != piece.layer) continue;
      const bool neurons = half.kind == UnitKind::kNeuron;
      at::Tensor by_U = neurons ? piece.mask_gradient.neurons_I : piece.mask_gradient.heads_H;
      by_U = by_U.to(at::kCPU, at::kDouble);
      if (!neurons) by_U = by_U.view({half.units, -1}).sum(1);
      gradient_P.narrow(0, half.first, half.units).add_(by_U);
    }
  }

  std::vector<LayerCurves> curves() const {
    std::vector<LayerCurves> curves(static_cast<size_t>(model_.num_layers()));
    const at::Tensor open_P = open_probability(logits_P_).gates_U.contiguous();
    for (const HalfGates& half : halves_) {
      const double* open = open_P.const_data_ptr<double>() + half.first;
      const double price = prices_P_[half.first].item<double>();
      LayerCurves& layer = curves[static_cast<size_t>(half.layer)];
      DamageCurve& curve = half.kind == UnitKind::kNeuron ? layer.neurons : layer.kv_groups;
      curve.order.resize(static_cast<size_t>(half.units));
      std::iota(curve.order.begin(), curve.order.end(), 0);
      std::ranges::stable_sort(curve.order, {}, [&](int32_t unit) { return open[unit]; });
      double sum = 0;
      for (const int32_t unit : curve.order) curve.damage.push_back(sum += open[unit] * price);
    }
    return curves;
  }

  const Model& model_;
  const Compute& compute_;
  const TokenSamples samples_;
  const GateTraining& settings_;
  const std::filesystem::path scratch_;
  const std::vector<HalfGates> halves_;
  const at::Tensor prices_P_;
  at::Tensor logits_P_;
  Adam adam_, lambda_adam_;
  double lambdas_[2] = {0, 0};
};

}  // namespace

std::vector<LayerCurves> trained_gate_curves(const Model& model, const Compute& compute,
                                             const TokenSamples& samples,
                                             const GateTraining& training,
                                             const std::filesystem::path& scratch,
                                             Progress& progress) {
  const c10::NoGradGuard no_grad;
  return Training(model, compute, samples, training, scratch).run(progress);
}

}  // namespace mop
