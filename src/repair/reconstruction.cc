// repair/reconstruction.cc -- trains the weights of each layer to produce the dense model's hidden
// states from those of the model under repair.
//
// Shape letters: N tokens, D hidden.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "gradient/adamw.h"
#include "gradient/layer_tape.h"
#include "gradient/pending_sums.h"
#include "model/family.h"
#include "model/forward.h"
#include "model/packing_on_device.h"
#include "repair/changing_stream.h"
#include "repair/dense_stream.h"
#include "repair/repair.h"
#include "stats/packed_samples.h"
#include "tensor/mapped_file.h"
#include "tensor/scratch.h"

namespace mop {

const Option<int64_t> kRepairSteps = {.name = "steps",
                                      .default_value = 200,
                                      .range = at_least(1),
                                      .help = "training steps per layer, about 1024 tokens each"};
const Option<double> kRepairRate = {
    .name = "learning_rate",
    .default_value = 5e-4,
    .range = {.least = 0, .most = 1, .above_least = true, .below_most = true},
    .help = "learning rate of the first step; decreases linearly to 0"};

namespace {

// One in this many sequences is held out.
constexpr int64_t kHeldOutEvery = 16;

// The error is relative, so gradients are small where hidden states are large.
constexpr AdamWOptions kOptimizer = {.epsilon = 1e-12};

// The training and held-out sequences of a packing.
struct Sequences {
  std::vector<int64_t> first_token, lengths, trained, held_out;

  explicit Sequences(const Packing& packing)
      : first_token(first_tokens(packing)), lengths(packing.lengths) {
    const int64_t count = std::ssize(lengths), every = std::min(kHeldOutEvery, count);
    for (int64_t i = 0; i < count; ++i) {
      (i % every == every - 1 ? held_out : trained).push_back(i);
    }
  }
  int64_t length(int64_t sequence) const { return lengths[static_cast<size_t>(sequence)]; }
  int64_t tokens(const std::vector<int64_t>& some) const {
    int64_t sum = 0;
    for (const int64_t sequence : some) sum += length(sequence);
    return sum;
  }
};

// Draws batches of whole sequences; each pass over all of them has its own order.
class Order {
 public:
  Order(const Sequences& sequences, uint64_t stream) : sequences_(sequences), random_(0, stream) {}

  std::vector<int64_t> next_batch() {
    std::vector<int64_t> batch;
    int64_t tokens = 0;
    while (tokens < kReconstructionTokens && batch.size() < sequences_.trained.size()) {
      batch.push_back(next());
      tokens += sequences_.length(batch.back());
    }
    return batch;
  }

 private:
  int64_t next() {
    if (order_.empty()) {
      const int64_t count = std::ssize(sequences_.trained);
      order_ = random_.sample(count, count);
    }
    const int64_t sequence = sequences_.trained[static_cast<size_t>(order_.back())];
    order_.pop_back();
    return sequence;
  }

  const Sequences& sequences_;
  Random random_;
  std::vector<int64_t> order_;
};

// A layer's input and target for some sequences.
struct Batch {
  Packing packing;
  at::Tensor input_ND, target_ND;
};

// Returns 1 / (tokens * |target|^2) of every token. The relative error keeps the few tokens with
// very large hidden states, which many models have, from dominating.
at::Tensor weights_of(const at::Tensor& target_ND) {
  const at::Tensor square_N1 = target_ND.to(at::kFloat).square().sum(1, true);
  return 1 / (square_N1.clamp_min(1e-12) * static_cast<double>(target_ND.size(0)));
}

class Reconstruction {
 public:
  Reconstruction(const RepairInput& input, Progress& progress)
      : in_(input),
        progress_(progress),
        packed_(pack(input.samples, !input.compute.device.is_cpu())),
        sequences_(packed_.packing),
        dense_(input.dense, input.pruned, input.compute, packed_),
        pruned_(input.pruned, input.compute, packed_.packing, input.scratch,
                dense_.entering(input.pruned)),
        steps_(input.options.get(kRepairSteps)),
        rate_(input.options.get(kRepairRate)) {}

  Model run() {
    const int64_t layers = pruned_.num_layers();
    progress_.begin("reconstructing", layers * tokens_of_layer());
    for (int64_t layer = 0; layer < layers; ++layer) {
      const int64_t next = layer + 1 < layers ? pruned_.source(layer + 1) : in_.dense.num_layers();
      target_ND_.reset();
      dense_.advance_to(next);
      // If the next layer has no attention, the gap extends to its MLP.
      const bool gap = layer + 1 < layers && pruned_.shape(layer + 1).heads == 0;
      target_ND_ = gap ? dense_.pass(next) : dense_.hidden_ND();
      went_through(packed_.ids_N.size(0));
      reconstruct(layer);
      pruned_.pass(pruned_.model(), layer);
      check_mappings();
      progress_.advance(done_ = (layer + 1) * tokens_of_layer());
    }
    progress_.end();
    progress_.note(fmt::format("{} of {} layers are nearer to the dense model than they were",
                               improved_, layers));
    return pruned_.model();
  }

 private:
  // Returns the tokens that a layer processes; those with a tape are weighted by their cost.
  int64_t tokens_of_layer() const {
    return 2 * packed_.ids_N.size(0) + 2 * sequences_.tokens(sequences_.held_out) +
           steps_ * tokens_of_step();
  }
  int64_t tokens_of_step() const {
    const int64_t all = sequences_.tokens(sequences_.trained);
    const int64_t one = all / std::ssize(sequences_.trained);
    return kTapedCost * std::min(all, std::max(one, kReconstructionTokens));
  }
  void went_through(int64_t tokens) { progress_.advance(done_ += tokens); }

  Batch gather(const std::vector<int64_t>& sequences) const {
    Batch batch;
    std::vector<at::Tensor> inputs, targets;
    for (const int64_t i : sequences) {
      const int64_t first = sequences_.first_token[static_cast<size_t>(i)];
      batch.packing.lengths.push_back(sequences_.length(i));
      inputs.push_back(pruned_.hidden_ND().narrow(0, first, sequences_.length(i)));
      targets.push_back(target_ND_.narrow(0, first, sequences_.length(i)));
    }
    batch.input_ND = at::cat(inputs);
    batch.target_ND = at::cat(targets);
    return batch;
  }

  // Returns the mean over tokens of |output - target|^2 / |target|^2.
  double error(const Model& model, int64_t layer, const Batch& batch) const {
    WeightLoader weights(model, in_.compute, WeightLoader::Keep::kOne);
    const at::Tensor output_ND =
        run_layer_range(weights, batch.input_ND.clone(), batch.packing, layer, layer + 1);
    const at::Tensor off_ND = output_ND.to(at::kFloat) - batch.target_ND.to(at::kFloat);
    PendingSum sum;
    sum.add((weights_of(batch.target_ND) * off_ND.square()).sum(at::kDouble));
    return read_sums({&sum, 1})[0];
  }

  void reconstruct(int64_t layer) {
    const LayerShape& shape = pruned_.shape(layer);
    if (shape.heads == 0 && shape.mlp == 0) return;
    const Batch held_out = gather(sequences_.held_out);
    const double before = error(pruned_.model(), layer, held_out);
    went_through(held_out.packing.tokens());
    std::vector<Layer> candidate = pruned_.layers();
    train(layer, candidate[static_cast<size_t>(layer)]);
    const double after = error(in_.pruned.with_layers(candidate), layer, held_out);
    if (!(after < before)) return;
    pruned_.replace(layer, std::move(candidate[static_cast<size_t>(layer)]));
    ++improved_;
  }

  std::vector<ParameterSpec> weights_of_layer(int64_t layer) const {
    const Model now = pruned_.model();
    const ModelConfig& config = now.config();
    std::vector<ParameterSpec> specs;
    for (const LayerTensor* tensor : tensors_of_layer(config, pruned_.shape(layer))) {
      ParameterSpec spec{tensor_name(*config.family, layer, *tensor), layer, tensor->role};
      spec.initial = stored_tensor(now, layer, *tensor);
      specs.push_back(std::move(spec));
    }
    return specs;
  }

  // Stores the trained values in `changed`, in their stored dtypes.
  void train(int64_t layer, Layer& changed) {
    std::vector<ParameterSpec> specs = weights_of_layer(layer);
    std::map<Role, at::ScalarType> stored;
    for (const ParameterSpec& spec : specs) stored[spec.role] = spec.initial.scalar_type();
    Parameters parameters(std::move(specs), in_.compute);
    AdamW optimizer(parameters, kOptimizer);
    Order order(sequences_, static_cast<uint64_t>(layer));
    for (int64_t step = 0; step < steps_; ++step) {
      check_stop();
      add_gradients(layer, gather(order.next_batch()), parameters);
      const double progress = static_cast<double>(step) / static_cast<double>(steps_);
      optimizer.step(rate_ * (1 - progress));
      went_through(tokens_of_step());
    }
    for (size_t i = 0; i < parameters.count(); ++i) {
      const Role role = parameters.spec(i).role;
      changed.changed[role] = in_scratch(parameters.value(i).cpu().to(stored[role]), in_.scratch);
    }
  }

  void add_gradients(int64_t layer, const Batch& batch, Parameters& parameters) const {
    LayerWeights weights;
    std::vector<at::Tensor> leaves;
    std::vector<size_t> indices;
    for (size_t i = 0; i < parameters.count(); ++i) {
      weights[parameters.spec(i).role] = parameters.leaf(i);
      leaves.push_back(parameters.leaf(i));
      indices.push_back(i);
    }
    const auto [cos_NE, sin_NE] = rotary(in_.pruned.config(), batch.packing, in_.compute);
    PackingOnDevice packed(batch.packing, in_.compute.device);
    const LayerCall call{.config = in_.pruned.config(),
                         .layer = layer,
                         .packing = batch.packing,
                         .cos_NE = cos_NE,
                         .sin_NE = sin_NE,
                         .packed = &packed};
    const LayerTape tape = record_layer(weights, batch.input_ND, call, /*through=*/false);
    const at::Tensor off_ND =
        tape.output_ND.detach().to(at::kFloat) - batch.target_ND.to(at::kFloat);
    const at::Tensor d_output_ND = 2 * weights_of(batch.target_ND) * off_ND;
    parameters.add_gradients(
        indices, layer_gradients(tape, leaves, d_output_ND.to(tape.output_ND.scalar_type())));
  }

  const RepairInput& in_;
  Progress& progress_;
  const PackedSamples packed_;
  const Sequences sequences_;
  DenseStream dense_;
  ChangingStream pruned_;
  const int64_t steps_;
  const double rate_;
  at::Tensor target_ND_;  // target of the current layer
  int64_t done_ = 0, improved_ = 0;
};

}  // namespace

Model reconstruct_layers(const RepairInput& input, Progress& progress) {
  if (input.samples.ids.size() < 2) {
    throw usage_error("reconstruction needs two calibration samples or more, one to judge by")
        .hint("--calibration FILE, --samples N");
  }
  const c10::NoGradGuard no_grad;
  return Reconstruction(input, progress).run();
}

}  // namespace mop
