// repair/sparse_weights.cc
//
// Shape letters: N tokens, D hidden, O outputs, K inputs of a projection.
#include "repair/sparse_weights.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <array>
#include <optional>

#include "base/error.h"
#include "base/named_table.h"
#include "model/family.h"
#include "model/forward.h"
#include "repair/changing_stream.h"
#include "stats/packed_samples.h"
#include "stats/second_moment.h"
#include "tensor/mapped_file.h"

namespace mop {

const Option<int64_t> kWeightsBlock = {
    .name = "block",
    .default_value = 128,
    .range = at_least(1),
    .help = "number of inputs whose zeros are selected together"};
const Option<int64_t> kWeightsSeed = {.name = "seed",
                                      .unset = "the run's seed",
                                      .range = at_least(0),
                                      .help = "seed of the random selection"};

namespace {

const Option<double> kDamping = {
    .name = "damping",
    .default_value = 1e-2,
    .range = at_least(0),
    .help = "ridge of the inputs' second moments, relative to their mean"};

at::Tensor zeroed(const at::Tensor& weights_OK, const at::Tensor& zeros_OK) {
  return weights_OK.masked_fill(zeros_OK, 0);
}

at::Tensor solve_wanda(const SparseInput& in) {
  return zeroed(in.weights_OK,
                lowest_of_rows(in.weights_OK.abs() * in.squares_K.sqrt(), in.pattern));
}

at::Tensor solve_sparsegpt(const SparseInput& in) {
  return sparsegpt({.weights_OK = in.weights_OK,
                    .gram_KK = in.gram_KK,
                    .pattern = in.pattern,
                    .damping = in.options.get(kDamping),
                    .block = in.options.get(kWeightsBlock)});
}

at::Tensor solve_magnitude(const SparseInput& in) {
  return zeroed(in.weights_OK, lowest_of_matrix(in.weights_OK.abs(), in.pattern));
}

at::Tensor solve_random(const SparseInput& in) {
  const at::Tensor scores_OK = at::empty_like(in.weights_OK);
  double* scores = scores_OK.data_ptr<double>();
  for (int64_t i = 0; i < scores_OK.numel(); ++i) scores[i] = in.random.uniform();
  return zeroed(in.weights_OK, lowest_of_rows(scores_OK, in.pattern));
}

// A site at which inputs are observed, and the projections that read them.
struct Readers {
  Site site;
  std::vector<Role> roles;
};
const std::array<Readers, 4>& readers() {
  static const std::array<Readers, 4> kReaders = {
      {{Site::kAttentionInput, {Role::kQuery, Role::kKey, Role::kValue}},
       {Site::kHeadOutput, {Role::kOutput}},
       {Site::kMlpInput, {Role::kGate, Role::kUp}},
       {Site::kNeuron, {Role::kDown}}}};
  return kReaders;
}

// Second moments of the inputs of a layer's projections, over all tokens.
class InputMoments {
 public:
  InputMoments(SparseMethod::Reads reads, const Compute& compute)
      : reads_(reads), device_(compute.device) {}

  void add(size_t place, const at::Tensor& input_NK) {
    Place& at = places_[place];
    at.rows += input_NK.size(0);
    if (reads_ == SparseMethod::Reads::kGram) {
      if (!at.gram) at.gram.emplace(input_NK.size(1), device_);
      at.gram->add(input_NK);
      return;
    }
    const at::Tensor squares_K = input_NK.to(at::kFloat).square().sum(0, false, at::kDouble);
    at.squares_K = at.squares_K.defined() ? at.squares_K + squares_K : squares_K;
  }
  // Call once per site.
  at::Tensor gram_KK(size_t place) {
    Place& at = places_[place];
    return at.gram ? at.gram->mean(at.rows).cpu() : at::Tensor();
  }
  at::Tensor squares_K(size_t place) const {
    const Place& at = places_[place];
    return at.squares_K.defined() ? at.squares_K.cpu() / static_cast<double>(at.rows)
                                  : at::Tensor();
  }

 private:
  struct Place {
    int64_t rows = 0;
    std::optional<SecondMoment> gram;
    at::Tensor squares_K;
  };
  SparseMethod::Reads reads_;
  c10::Device device_;
  std::array<Place, 4> places_;
};

class Sparsify {
 public:
  Sparsify(const Model& model, const TokenSamples& samples, const Compute& compute,
           const SparseOptions& options, const std::filesystem::path& scratch)
      : model_(model),
        compute_(compute),
        options_(options),
        seed_(static_cast<uint64_t>(options.settings.get(kWeightsSeed, 0))),
        method_(find_sparse_method(options.method)),
        packed_(pack(samples, !compute.device.is_cpu())),
        sparse_(model, compute, packed_.packing, scratch, reads() ? entering() : at::Tensor()) {}

  Model run(Progress& progress) {
    progress.begin("sparsifying", sparse_.num_layers());
    for (int64_t layer = 0; layer < sparse_.num_layers(); ++layer) {
      check_stop();
      InputMoments moments(method_.reads, compute_);
      if (reads()) look_at(layer, moments);
      for (size_t place = 0; place < readers().size(); ++place) solve(layer, place, moments);
      if (reads()) sparse_.pass(sparse_.model(), layer);
      check_mappings();
      progress.advance(layer + 1);
    }
    progress.end();
    return sparse_.model();
  }

 private:
  bool reads() const { return method_.reads != SparseMethod::Reads::kNothing; }

  at::Tensor entering() const {
    WeightLoader weights(model_, compute_, WeightLoader::Keep::kOne);
    return embed(weights.embedding(), packed_.ids_N, compute_);
  }

  void look_at(int64_t layer, InputMoments& moments) const {
    ForwardOptions options;
    options.tap = [&](int64_t, int64_t, const Packing&) -> Tap {
      return [&](Site site, const at::Tensor& value) {
        for (size_t place = 0; place < readers().size(); ++place) {
          if (readers()[place].site == site) moments.add(place, value);
        }
      };
    };
    sparse_.look(sparse_.model(), layer, options);
  }

  void solve(int64_t layer, size_t place, InputMoments& moments) {
    const ModelConfig& config = model_.config();
    const at::Tensor gram_KK = moments.gram_KK(place), squares_K = moments.squares_K(place);
    for (const Role role : readers()[place].roles) {
      const LayerTensor* tensor = tensor_of_role(config, sparse_.shape(layer), role);
      if (tensor == nullptr) continue;
      const std::string name = tensor_name(*config.family, layer, *tensor);
      try {
        change(layer, *tensor, gram_KK, squares_K);
      } catch (Error& e) {
        throw std::move(e).where("tensor", name);
      }
    }
  }

  void change(int64_t layer, const LayerTensor& tensor, const at::Tensor& gram_KK,
              const at::Tensor& squares_K) {
    const at::Tensor stored_OK = stored_tensor(model_, layer, tensor);
    const at::Tensor weights_OK = stored_OK.to(at::kDouble).contiguous();
    const auto matrix =
        static_cast<uint64_t>(layer) * kNumRoles + static_cast<uint64_t>(tensor.role);
    Random random(seed_, matrix);
    const at::Tensor value_OK = method_
                                    .solve({.weights_OK = weights_OK,
                                            .squares_K = squares_K,
                                            .gram_KK = gram_KK,
                                            .pattern = options_.pattern,
                                            .options = options_.settings,
                                            .random = random})
                                    .to(stored_OK.scalar_type());
    sparse_.change(layer, tensor.role, value_OK);
  }

  const Model& model_;
  const Compute& compute_;
  const SparseOptions& options_;
  const uint64_t seed_;
  const SparseMethod& method_;
  const PackedSamples packed_;
  ChangingStream sparse_;
};

}  // namespace

std::span<const SparseMethod> all_sparse_methods() {
  using Reads = SparseMethod::Reads;
  static const SparseMethod kMethods[] = {
      {.name = "sparsegpt",
       .summary = "zeros with the least loss after the other weights are updated to compensate",
       .source = "SparseGPT, arXiv 2301.00774, algorithm 1",
       .reads = Reads::kGram,
       .solve = solve_sparsegpt,
       .options = {kDamping, kWeightsBlock},
       .deviations = {30}},
      {.name = "wanda",
       .summary =
           "the lowest |weight| * norm of its input, of every row; the others keep their bytes",
       .source = "Wanda, arXiv 2306.11695, equation 1",
       .reads = Reads::kSquares,
       .solve = solve_wanda,
       .deviations = {30}},
      {.name = "magnitude",
       .summary = "the lowest |weight| of every matrix (control)",
       .source = "a control",
       .solve = solve_magnitude},
      {.name = "random",
       .summary = "weights drawn by the seed, equally many of every row (control)",
       .source = "a control",
       .solve = solve_random,
       .options = {kWeightsSeed}},
  };
  return kMethods;
}

const SparseMethod& find_sparse_method(std::string_view name) {
  return find_by_name(all_sparse_methods(), name, "method of weights");
}

Model sparsify(const Model& model, const TokenSamples& samples, const Compute& compute,
               const SparseOptions& options, const std::filesystem::path& scratch,
               Progress& progress) {
  if (samples.ids.empty()) {
    throw usage_error("single weights are chosen by calibration text, and there is none")
        .hint("--calibration FILE");
  }
  const c10::NoGradGuard no_grad;
  return Sparsify(model, samples, compute, options, scratch).run(progress);
}

ZeroCount count_zeros(const Model& model) {
  ZeroCount count;
  const ModelConfig& config = model.config();
  for (int64_t layer = 0; layer < model.num_layers(); ++layer) {
    for (const Readers& some : readers()) {
      for (const Role role : some.roles) {
        const LayerTensor* tensor =
            tensor_of_role(config, config.layers[static_cast<size_t>(layer)], role);
        if (tensor == nullptr) continue;
        const at::Tensor stored = stored_tensor(model, layer, *tensor);
        count.weights += stored.numel();
        count.zeros += stored.numel() - stored.count_nonzero().item<int64_t>();
      }
    }
  }
  return count;
}

}  // namespace mop
