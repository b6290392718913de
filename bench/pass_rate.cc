// bench/pass_rate.cc -- how near the forward passes come to the machine's own matrix products:
// mop_bench_pass MODEL [--samples 32] [--tokens 128] ... prints one JSON object.
//
// And how near the sums of second moments, which damage curves and least squares need, come to a
// float32 product of the same size (--moments alone: nothing else is measured).
//
// Everything that is compared is measured in one run, in turn: products of the model's own shapes,
// a perplexity pass, an AMP pass, and again. Rates count the products a forward pass needs
// (attention included, causal half only), so that work a pass does beside them lowers its rate.
//
// Shape letters: N tokens, D hidden, I in, O out, K columns of a second moment.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>

#include "base/build_info.h"
#include "base/error.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/random.h"
#include "eval/perplexity.h"
#include "stats/layer_stats.h"
#include "stats/second_moment.h"
#include "tensor/device.h"

namespace {
using namespace mop;

struct Settings {
  std::string model, device = "cpu", dtype = "bfloat16";
  int64_t samples = 32, tokens = 128, gemm_tokens = 4096;
  int repeats = 3, threads = 0;
  bool moments_alone = false;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One projection of a layer: [out, in].
struct Projection {
  int64_t out, in;
};

std::vector<Projection> projections(const ModelConfig& config, const LayerShape& s) {
  const int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim, d = config.hidden;
  return {{q, d}, {kv, d}, {kv, d}, {d, q}, {s.mlp, d}, {s.mlp, d}, {d, s.mlp}};
}

double projection_flops(const std::vector<Projection>& list, int64_t tokens) {
  double flops = 0;
  for (const Projection& p : list) {
    flops +=
        2. * static_cast<double>(p.out) * static_cast<double>(p.in) * static_cast<double>(tokens);
  }
  return flops;
}

// All layers over `samples` sequences of `tokens`: projections and the causal half of attention.
double layers_flops(const ModelConfig& config, int64_t samples, int64_t tokens) {
  double flops = 0;
  for (const LayerShape& s : config.layers) {
    flops += projection_flops(projections(config, s), samples * tokens);
    const double pairs = static_cast<double>(tokens) * static_cast<double>(tokens + 1) / 2;
    flops += 4. * static_cast<double>(s.heads * s.head_dim) * pairs * static_cast<double>(samples);
  }
  return flops;
}

double head_flops(const ModelConfig& config, int64_t samples, int64_t tokens) {
  return projection_flops({{config.vocab, config.hidden}}, samples * (tokens - 1));
}

/// FLOP/s of the first layer's projections as plain linear layers, each weighted by its own work.
class GemmRate {
 public:
  GemmRate(const ModelConfig& config, const Compute& compute, int64_t tokens)
      : list_(projections(config, config.layers.front())), tokens_(tokens) {
    const at::TensorOptions options = at::TensorOptions(compute.dtype).device(compute.device);
    for (const Projection& p : list_) {
      inputs_.push_back(at::randn({tokens, p.in}, options));
      weights_.push_back(at::randn({p.out, p.in}, options));
    }
    measure();
  }
  double measure() const {
    double seconds = 0;
    for (size_t i = 0; i < list_.size(); ++i) {
      // Several products a measurement; reading one number waits for a GPU.
      const int rounds = inputs_[i].is_cpu() ? 1 : 20;
      seconds += seconds_of([&] {
                   at::Tensor out;
                   for (int r = 0; r < rounds; ++r) out = at::linear(inputs_[i], weights_[i]);
                   out[0][0].item<float>();
                 }) /
                 rounds;
    }
    return projection_flops(list_, tokens_) / seconds;
  }

 private:
  std::vector<Projection> list_;
  int64_t tokens_;
  std::vector<at::Tensor> inputs_, weights_;
};

/// Sums of x x^T over what enters o_proj and down_proj, against x^T x as one product. The sum's own
/// work is that of a half and the diagonal, N K (K + 1).
Json moment_rates(const Settings& settings, const ModelConfig& config, const Compute& compute) {
  const LayerShape& shape = config.layers.front();
  const auto rows = static_cast<double>(settings.gemm_tokens);
  Json rates = Json::array();
  for (const int64_t columns : {shape.heads * shape.head_dim, shape.mlp}) {
    const at::TensorOptions options = at::TensorOptions(compute.dtype).device(compute.device);
    const at::Tensor x_NK = at::randn({settings.gemm_tokens, columns}, options);
    const at::Tensor float_NK = x_NK.to(at::kFloat);
    SecondMoment sum(columns, compute.device);
    at::Tensor product_KK = at::mm(float_NK.t(), float_NK);
    sum.add(x_NK);
    const auto size = static_cast<double>(columns);
    std::vector<double> sums, products, fractions, foreign;
    for (int r = 0; r < settings.repeats; ++r) {
      const ForeignLoad load;
      products.push_back(2 * rows * size * size / seconds_of([&] {
                           at::mm_out(product_KK, float_NK.t(), float_NK);
                           product_KK[0][0].item<float>();
                         }));
      sums.push_back(rows * size * (size + 1) / seconds_of([&] {
                       sum.add(x_NK);
                       product_KK[0][0].item<float>();  // waits for a device
                     }));
      fractions.push_back(sums.back() / products.back());
      foreign.push_back(load.fraction());
    }
    rates.push_back({{"columns", columns},
                     {"rows", settings.gemm_tokens},
                     {"gflop_per_second", median(sums) * 1e-9},
                     {"product_gflop_per_second", median(products) * 1e-9},
                     {"fraction_of_product", median(fractions)},
                     {"fractions", fractions},
                     {"foreign_load", foreign}});
  }
  return rates;
}

TokenSamples random_samples(const Settings& settings, int64_t vocab) {
  Random random(1);
  TokenSamples samples;
  for (int64_t s = 0; s < settings.samples; ++s) {
    auto& ids = samples.ids.emplace_back(settings.tokens);
    for (int64_t& id : ids) id = static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab)));
  }
  return samples;
}

/// What was measured of one kind of pass.
struct Pass {
  double flops = 0;
  std::vector<double> seconds, fractions, foreign;
  int64_t anonymous = 0;

  void measure(double gemm_rate, const std::function<void()>& work) {
    const ForeignLoad load;
    const PeakMemory memory;
    seconds.push_back(seconds_of(work));
    fractions.push_back(flops / seconds.back() / gemm_rate);
    foreign.push_back(load.fraction());
    anonymous = std::max(anonymous, memory.peak().anonymous);
  }
  Json json() const {
    return {{"flops", flops},
            {"seconds", seconds},
            {"gflop_per_second", flops / median(seconds) * 1e-9},
            {"fraction_of_gemm", median(fractions)},
            {"fractions", fractions},
            {"foreign_load", foreign},
            {"peak_anonymous_bytes", anonymous}};
  }
};

Json run(const Settings& settings) {
  Compute compute{dtype_from_name(settings.dtype), open_device(settings.device)};
  if (settings.threads > 0) at::set_num_threads(settings.threads);
  const Model model = Model::open(settings.model);
  const ModelConfig& config = model.config();
  Json result = {{"model", settings.model},   {"dtype", settings.dtype},
                 {"device", settings.device}, {"threads", at::get_num_threads()},
                 {"processor", processor()},  {"libtorch", libtorch_version()},
                 {"commit", mop_commit()}};
  if (settings.moments_alone) {
    result["second_moments"] = moment_rates(settings, config, compute);
    return result;
  }
  const TokenSamples samples = random_samples(settings, config.vocab);
  const Stat stats[] = {Stat::kHeadOutputL1, Stat::kNeuronInputAbs};
  const auto perplexity_pass = [&] {
    WeightLoader weights(model, compute);
    score_sequences(weights, samples.ids);
  };
  const auto amp_pass = [&] {
    WeightLoader weights(model, compute);
    collect_stats(weights, samples, stats);
  };

  std::vector<double> gemm_rates;
  Pass perplexity, amp;
  amp.flops = layers_flops(config, settings.samples, settings.tokens);
  perplexity.flops = amp.flops + head_flops(config, settings.samples, settings.tokens);
  perplexity_pass();  // brings the file into the page cache, makes kernels
  amp_pass();
  // On a device each pass so far had a store of its own; those that follow find the weights there.
  std::vector<double> uploading;
  if (!compute.device.is_cpu()) {
    for (int r = 0; r < settings.repeats; ++r) uploading.push_back(seconds_of(amp_pass));
    compute.store =
        std::make_shared<DeviceStore>(compute.device, compute.dtype, store_budget(compute.device));
    amp_pass();
  }
  for (int r = 0; r < settings.repeats; ++r) {
    // Made anew: its matrices must not count as the passes' memory.
    gemm_rates.push_back(GemmRate(config, compute, settings.gemm_tokens).measure());
    perplexity.measure(gemm_rates.back(), perplexity_pass);
    amp.measure(gemm_rates.back(), amp_pass);
  }
  result.update({{"parameters", total_parameters(config)},
                 {"samples", settings.samples},
                 {"tokens", settings.tokens},
                 {"gemm_gflop_per_second", median(gemm_rates) * 1e-9},
                 {"perplexity_pass", perplexity.json()},
                 {"amp_pass", amp.json()},
                 {"second_moments", moment_rates(settings, config, compute)},
                 {"amp_pass_with_upload_seconds", uploading}});
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("rates of the forward passes against the machine's matrix products");
  app.add_option("MODEL", settings.model)->required();
  app.add_option("--samples", settings.samples);
  app.add_option("--tokens", settings.tokens);
  app.add_option("--gemm-tokens", settings.gemm_tokens);
  app.add_option("--repeats", settings.repeats);
  app.add_option("--threads", settings.threads);
  app.add_option("--dtype", settings.dtype);
  app.add_option("--device", settings.device);
  app.add_flag("--moments", settings.moments_alone, "second moments alone");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << to_text(run(settings));
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
