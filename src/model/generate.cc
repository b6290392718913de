// model/generate.cc
#include "model/generate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "model/finite_logits.h"

namespace mop {
namespace {

void check(std::span<const int64_t> prompt, const ModelConfig& config,
           const GenerateOptions& options) {
  if (prompt.empty()) throw bad_input("the prompt is empty, expected at least one token");
  if (!(options.temperature >= 0)) {
    throw usage_error("the temperature must not be negative, got {}", options.temperature);
  }
  const int64_t room = config.longest() - std::ssize(prompt);
  if (options.max_new_tokens >= 0 && options.max_new_tokens <= room) return;
  throw bad_input("{} prompt tokens and {} new ones do not fit the model's context of {}",
                  prompt.size(), options.max_new_tokens, config.longest())
      .hint("give a shorter prompt or fewer new tokens");
}

// Returns the argmax of each row; -1 if the maximum is not finite. A NaN counts as the largest.
at::Tensor argmax_or_invalid(const at::Tensor& logits_SV) {
  const auto [most_S, token_S] = logits_SV.max(1);
  return token_S.masked_fill(most_S.isfinite().logical_not(), -1);
}

}  // namespace

int64_t pick_token(const at::Tensor& logits_V, double temperature, double uniform) {
  if (temperature == 0) return logits_V.argmax().item<int64_t>();
  // float64 sums in a fixed order give the same token on every machine with the same logits.
  const at::Tensor wide_V = logits_V.to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor weight_V = ((wide_V - wide_V.max()) / temperature).exp();
  const double* weight = weight_V.const_data_ptr<double>();
  const double total = weight_V.sum().item<double>();
  double left = uniform * total;
  int64_t last = 0;
  for (int64_t v = 0; v < weight_V.size(0); ++v) {
    if (weight[v] == 0) continue;
    last = v;
    left -= weight[v];
    if (left < 0) return v;
  }
  return last;
}

Decoder::Decoder(WeightLoader& weights, int64_t sequences, int64_t capacity_tokens)
    : weights_(weights),
      cache_(weights.model().config(), sequences, capacity_tokens, weights.compute()) {
  forward_.cache = &cache_;
}

at::Tensor Decoder::feed(const at::Tensor& ids_BT) {
  const at::NoGradGuard no_gradient;
  const int64_t batch = ids_BT.size(0), tokens = ids_BT.size(1);
  const auto sequences = static_cast<size_t>(batch);
  const Packing packing{std::vector<int64_t>(sequences, tokens),
                        std::vector<int64_t>(sequences, cache_.length(0)),
                        {}};
  const at::Tensor hidden_ND = run_layers(weights_, ids_BT.flatten(), packing, forward_);
  const at::Tensor last_BD = hidden_ND.view({batch, tokens, -1}).select(1, tokens - 1);
  return logits(weights_.globals(), weights_.model().config(), last_BD.contiguous());
}

std::vector<int64_t> generate(WeightLoader& weights, std::span<const int64_t> prompt,
                              const GenerateOptions& options) {
  const ModelConfig& config = weights.model().config();
  check(prompt, config, options);
  const std::vector<int64_t>& stop = options.stop.empty() ? config.eos : options.stop;
  Decoder decoder(weights, 1, static_cast<int64_t>(prompt.size()) + options.max_new_tokens);
  Random random(options.seed);
  at::Tensor next_1T =
      at::tensor(at::ArrayRef<int64_t>(prompt.data(), prompt.size()), at::kLong).unsqueeze(0);
  std::vector<int64_t> made;
  while (static_cast<int64_t>(made.size()) < options.max_new_tokens) {
    const at::Tensor logits_1V = decoder.feed(next_1T);
    const int64_t position = std::ssize(prompt) + std::ssize(made) - 1;
    if (options.temperature == 0) {
      next_1T = argmax_or_invalid(logits_1V).unsqueeze(
          1);  // stays on the device; only the id is downloaded
      made.push_back(next_1T.item<int64_t>());
      if (made.back() < 0) throw not_finite_logits(position);
    } else {
      const at::Tensor logits_V = logits_1V.squeeze(0).cpu();
      if (!at::isfinite(logits_V.max()).item<bool>()) throw not_finite_logits(position);
      made.push_back(pick_token(logits_V, options.temperature, random.uniform()));
      next_1T = at::tensor({made.back()}, at::kLong).unsqueeze(0);
    }
    if (options.on_token && !options.on_token(made.back())) break;
    const bool ended = std::find(stop.begin(), stop.end(), made.back()) != stop.end();
    if (ended && !options.ignore_eos) break;
  }
  return made;
}

}  // namespace mop
