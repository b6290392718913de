// gradient/training_pass.cc
#include "gradient/training_pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "gradient/embedding_gradient.h"
#include "gradient/layer_tape.h"
#include "model/packing_on_device.h"
#include "model/workspace.h"
#include "tensor/device.h"
#include "tensor/mapped_file.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// The state of one piece during its pass through the layers.
struct Walk {
  const TrainingPiece& piece;
  at::Tensor cos_NE, sin_NE;
  at::Tensor keys_N;  // only with dropout
  uint64_t seed = 0;
  bool drops = false;
  std::shared_ptr<PackingOnDevice> packed = {};
};

at::Tensor keys_of(const TrainingPiece& piece, c10::Device device) {
  return upload(piece.keys_N.defined()
                    ? piece.keys_N
                    : at::arange(piece.packing.tokens(), at::TensorOptions(at::kLong)),
                device);
}

// The teacher's hidden states of a piece: after the layers that correspond to the student's, and
// after the last.
struct TeacherStates {
  std::vector<at::Tensor> behind_ND;  ///< by student layer; empty without hidden terms
  at::Tensor last_ND;
};

TeacherStates run_teacher(WeightLoader& weights, const Teacher& teacher,
                          const TrainingPiece& piece) {
  const at::NoGradGuard no_grad;
  TeacherStates states;
  if (teacher.hidden_share == 0) {
    states.last_ND = run_layers(weights, piece.ids_N, piece.packing);
    return states;
  }
  at::Tensor hidden_ND = embed(weights.embedding(), piece.ids_N, weights.compute());
  int64_t done = 0;
  for (const int64_t layer : teacher.layers) {
    hidden_ND = run_layer_range(weights, hidden_ND, piece.packing, done, layer + 1);
    done = layer + 1;
    states.behind_ND.push_back(hidden_ND);
  }
  states.last_ND =
      run_layer_range(weights, hidden_ND, piece.packing, done, weights.model().num_layers());
  return states;
}

// Adds the gradient of the hidden term of one layer and returns the term. weights_N is on the
// device of the hidden states.
at::Tensor add_hidden_term(const at::Tensor& student_ND, const at::Tensor& teacher_ND,
                           const at::Tensor& weights_N, double share, at::Tensor& d_hidden_ND) {
  const at::NoGradGuard no_grad;
  const at::Tensor target_ND = teacher_ND.to(at::kFloat);
  const at::Tensor off_ND = student_ND.to(at::kFloat) - target_ND;
  const at::Tensor norm_N1 = target_ND.square().sum(1, true).clamp_min(1e-12);
  const at::Tensor factor_N1 = weights_N.unsqueeze(1) * share / norm_N1;
  d_hidden_ND = d_hidden_ND + (2 * factor_N1 * off_ND).to(d_hidden_ND.scalar_type());
  return (factor_N1 * off_ND.square()).sum(at::kDouble);
}

}  // namespace

LossSums& LossSums::operator+=(const LossSums& other) {
  loss += other.loss;
  nll += other.nll;
  scored += other.scored;
  tokens += other.tokens;
  return *this;
}

namespace {

// The sums of one piece.
struct PendingSums {
  PendingSum loss, nll;
  int64_t scored = 0, tokens = 0;
};

constexpr int64_t kActivationBytes = int64_t{2} << 30;

}  // namespace

struct TrainingPass::State {
  Model model;
  Compute compute;
  Parameters& parameters;
  PassOptions options;
  std::optional<Teacher> teacher;
  WeightLoader weights;
  std::optional<WeightLoader> teacher_weights;
  std::vector<std::vector<size_t>> by_layer;  // parameters of each layer
  std::vector<size_t> global;
  int64_t first_trained = 0;  // layers below it need no gradient
  bool replaces_layers = false;
  GlobalWeights globals;
  Workspace workspace;
  PassRoom room;
  std::vector<PendingSums> pending;

  State(const Model& m, const Compute& c, Parameters& p, const PassOptions& o,
        std::optional<Teacher> t)
      : model(m), compute(c), parameters(p), options(o), teacher(std::move(t)), weights(m, c) {
    if (teacher) teacher_weights.emplace(teacher->model, compute);
    for (int64_t layer = 0; layer < model.num_layers(); ++layer) {
      by_layer.push_back(parameters.of_layer(layer));
    }
    global = parameters.of_layer(-1);
    if (global.empty()) {
      while (first_trained < model.num_layers() && by_layer[at(first_trained)].empty()) {
        ++first_trained;
      }
    }
    // Either all weights are trained or none is; see methods.h.
    replaces_layers = parameters.spec(0).part == Part::kWeight;
    globals = replaces_layers ? trained_globals() : weights.globals();
    room.on_device = on_device();
    room.for_all = on_device() && !options.activation_bytes;
    room.bytes =
        room.for_all ? room_on_device() : options.activation_bytes.value_or(kActivationBytes);
  }

  bool on_device() const { return !compute.device.is_cpu(); }

  // Uploads everything that stays on the device first, then measures the rest.
  int64_t room_on_device() {
    const auto place = [](WeightLoader& loader) {
      if (!loader.keeps_all()) return;
      for (int64_t layer = 0; layer < loader.model().num_layers(); ++layer) {
        loader.prefetch(layer + 1);
        loader.layer(layer);
      }
    };
    if (!replaces_layers) place(weights);
    if (teacher_weights) {
      teacher_weights->globals();
      place(*teacher_weights);
    }
    const std::optional<DeviceMemory> memory = device_memory(compute.device);
    if (!memory) return kActivationBytes;
    const bool streams = (!replaces_layers && !weights.keeps_all()) ||
                         (teacher_weights && !teacher_weights->keeps_all());
    const int64_t step = device_step_bytes(model.config(), compute.dtype, parameters.numel(),
                                           replaces_layers, teacher.has_value());
    const int64_t store = streams ? weights.compute().store->free_bytes() : 0;
    // For LibTorch's libraries and for fragmentation.
    const int64_t margin =
        memory->free_bytes / 16 + std::min(int64_t{512} << 20, memory->total_bytes / 16);
    const int64_t unused = memory->free_bytes - margin - step - store;
    return std::max<int64_t>(0, unused);
  }

  static size_t at(int64_t index) { return static_cast<size_t>(index); }

  GlobalWeights trained_globals() const {
    GlobalWeights trained;
    for (const size_t i : global) {
      const GlobalRole role = parameters.spec(i).global;
      if (role == GlobalRole::kEmbedding) trained.embedding_VD = parameters.leaf(i);
      if (role == GlobalRole::kFinalNorm) trained.final_norm_D = parameters.leaf(i);
      if (role == GlobalRole::kHead) trained.head_VD = parameters.leaf(i);
    }
    if (!trained.head_VD.defined()) trained.head_VD = trained.embedding_VD;
    trained.rows_PD = model.input_rows();
    return trained;
  }

  // Returns the frozen weights with the trained ones in place.
  LayerWeights layer_weights(int64_t layer, const Walk& walk) {
    LayerWeights result;
    if (!replaces_layers) result = weights.layer(layer);
    for (const size_t i : by_layer[at(layer)]) {
      const ParameterSpec& spec = parameters.spec(i);
      if (spec.part == Part::kWeight) {
        result[spec.role] = parameters.leaf(i);
        continue;
      }
      LowRank& addition = result.low_rank[spec.role];
      (spec.part == Part::kLowRankA ? addition.a_RK : addition.b_OR) = parameters.leaf(i);
      addition.scale = options.scale;
      addition.dropout = walk.drops ? options.dropout : 0;
      addition.seed =
          Random(walk.seed, at(layer) * kNumRoles + static_cast<size_t>(spec.role)).bits();
      addition.keys_N = walk.keys_N;
    }
    return result;
  }

  LayerCall call_of(int64_t layer, const Walk& walk) {
    return {.config = model.config(),
            .layer = layer,
            .packing = walk.piece.packing,
            .cos_NE = walk.cos_NE,
            .sin_NE = walk.sin_NE,
            .workspace = &workspace,
            .packed = walk.packed.get()};
  }

  at::Tensor run_layer(int64_t layer, const at::Tensor& hidden_ND, const Walk& walk) {
    return decoder_layer(layer_weights(layer, walk), hidden_ND, call_of(layer, walk));
  }

  LayerTape record(int64_t layer, const at::Tensor& hidden_ND, const Walk& walk) {
    return record_layer(layer_weights(layer, walk), hidden_ND, call_of(layer, walk),
                        layer > first_trained || !global.empty());
  }

  Walk begin(const TrainingPiece& piece, uint64_t seed, bool drops) const {
    Walk walk{piece, {}, {}, {}, seed, drops};
    if (drops) walk.keys_N = keys_of(piece, compute.device);
    std::tie(walk.cos_NE, walk.sin_NE) = rotary(model.config(), piece.packing, compute);
    walk.packed = std::make_shared<PackingOnDevice>(piece.packing, compute.device);
    return walk;
  }

  int64_t layers_kept(int64_t tokens) const {
    if (!replaces_layers && !weights.keeps_all()) return 0;  // their memory is reused
    return layers_that_fit(model.config(), compute.dtype, tokens, room);
  }

  void prefetch(int64_t layer) {
    if (on_device() && !replaces_layers) weights.prefetch(layer);
  }

  // Returns the hidden states after the last layer and fills the tapes. A layer whose tape has no
  // output is recomputed.
  at::Tensor forward(const Walk& walk, std::vector<LayerTape>& tapes) {
    const at::NoGradGuard no_grad;
    at::Tensor hidden_ND = embed(globals, walk.piece.ids_N, compute);
    const int64_t layers = model.num_layers();
    const int64_t first_kept =
        std::max(first_trained, layers - layers_kept(walk.piece.packing.tokens()));
    for (int64_t layer = 0; layer < layers; ++layer) {
      prefetch(layer + 1);
      if (layer >= first_kept) {
        tapes.push_back(record(layer, hidden_ND, walk));
        hidden_ND = tapes.back().output_ND.detach();
      } else {
        tapes.push_back({layer >= first_trained ? hidden_ND.clone() : at::Tensor(), {}});
        hidden_ND = run_layer(layer, hidden_ND, walk);
      }
    }
    return hidden_ND;
  }

  // Maps the gradient of a layer's output to that of its input, which is undefined where it is not
  // needed.
  at::Tensor backward(LayerTape tape, int64_t layer, const at::Tensor& d_output_ND) {
    std::vector<at::Tensor> inputs;
    const bool through = tape.input_ND.requires_grad();
    if (through) inputs.push_back(tape.input_ND);
    const std::vector<size_t>& trained = by_layer[at(layer)];
    for (const size_t i : trained) inputs.push_back(parameters.leaf(i));
    const std::vector<at::Tensor> gradients = layer_gradients(tape, inputs, d_output_ND);
    const at::NoGradGuard no_grad;
    const size_t own = through ? 1 : 0;
    parameters.add_gradients(trained, std::span(gradients).subspan(own));
    return through ? gradients[0] : at::Tensor();
  }

  // For text tokens only: rows of pictures after the vocabulary are not trained.
  void add_embedding_gradient(size_t index, const at::Tensor& ids_N, const at::Tensor& d_ND) {
    const at::Tensor gradient = parameters.gradient(index);
    if (!model.input_rows().defined()) return add_rows_of_ids(gradient, ids_N, d_ND);
    const at::Tensor words_W = ids_N.lt(model.config().vocab).nonzero().squeeze(1);
    add_rows_of_ids(gradient, ids_N.index_select(0, words_W), d_ND.index_select(0, words_W));
  }

  void add_global_gradients(const OutputLoss& output, const at::Tensor& d_hidden_ND,
                            const TrainingPiece& piece) {
    const at::NoGradGuard no_grad;
    bool has_head = false;
    for (const size_t i : global) has_head |= parameters.spec(i).global == GlobalRole::kHead;
    for (const size_t i : global) {
      const GlobalRole role = parameters.spec(i).global;
      if (role == GlobalRole::kFinalNorm) parameters.add_gradient(i, output.d_norm_D);
      if (role == GlobalRole::kHead) parameters.add_gradient(i, output.d_head_VD);
      if (role != GlobalRole::kEmbedding) continue;
      if (!has_head) parameters.add_gradient(i, output.d_head_VD);
      add_embedding_gradient(i, piece.ids_N, d_hidden_ND.to(at::kFloat));
    }
  }
};

TrainingPass::TrainingPass(const Model& model, const Compute& compute, Parameters& parameters,
                           const PassOptions& options, std::optional<Teacher> teacher)
    : state_(std::make_unique<State>(model, compute, parameters, options, std::move(teacher))) {}
TrainingPass::~TrainingPass() = default;

int64_t TrainingPass::layers_kept(int64_t tokens) const { return state_->layers_kept(tokens); }

int64_t TrainingPass::best_piece_tokens(int64_t least, int64_t most) const {
  const int64_t bytes = activation_bytes(state_->model.config(), state_->compute.dtype);
  const int64_t tokens = state_->room.bytes / std::max<int64_t>(bytes, 1);
  // When layers are recomputed anyway, large pieces read the weights less often.
  return tokens < least || state_->layers_kept(1) == 0 ? most : std::min(tokens, most);
}

int64_t TrainingPass::best_piece_tokens() const {
  const State& s = *state_;
  if (!s.on_device()) return best_piece_tokens(kLeastPieceTokens, kMostPieceTokens);
  const bool streams = !s.replaces_layers && !s.weights.keeps_all();
  return device_piece(s.model.config(), s.compute.dtype, s.room, streams);
}

LossSums TrainingPass::add_gradients(const TrainingPiece& piece, uint64_t seed) {
  start_gradients(piece, seed);
  return finish();
}

LossSums TrainingPass::evaluate(const TrainingPiece& piece) {
  start_evaluation(piece);
  return finish();
}

LossSums TrainingPass::finish() {
  std::vector<PendingSum> sums;
  for (const PendingSums& piece : state_->pending) {
    sums.push_back(piece.loss);
    sums.push_back(piece.nll);
  }
  const std::vector<PendingSums> pending = std::exchange(state_->pending, {});
  const std::vector<double> values = read_sums(sums);
  LossSums all;
  for (size_t i = 0; i < pending.size(); ++i) {
    all += {values[2 * i], values[2 * i + 1], pending[i].scored, pending[i].tokens};
  }
  check_mappings();
  return all;
}

void TrainingPass::start_gradients(const TrainingPiece& piece, uint64_t seed) {
  State& s = *state_;
  const Walk walk = s.begin(piece, seed, s.options.dropout > 0);
  std::vector<LayerTape> tapes;
  const at::Tensor last_ND = s.forward(walk, tapes);
  std::optional<TeacherHidden> hidden;
  TeacherStates teacher;
  if (s.teacher) {
    teacher = run_teacher(*s.teacher_weights, *s.teacher, piece);
    hidden.emplace(
        TeacherHidden{s.teacher_weights->globals(), s.teacher->model.config(), teacher.last_ND});
  }
  OutputLoss output = output_loss(
      s.globals, s.model.config(), last_ND, piece.targets_N, piece.weights_N,
      /*gradients=*/true, hidden ? &*hidden : nullptr, s.teacher ? s.teacher->mix : LossMix{});
  at::Tensor d_hidden_ND = output.d_hidden_ND;
  const at::Tensor weights_N =
      teacher.behind_ND.empty() ? at::Tensor() : upload(piece.weights_N, s.compute.device);
  const auto layers = static_cast<double>(tapes.size());
  at::Tensor behind_ND = last_ND;
  for (int64_t layer = s.model.num_layers() - 1; layer >= s.first_trained; --layer) {
    LayerTape tape = std::exchange(tapes[State::at(layer)], {});
    if (!teacher.behind_ND.empty()) {
      output.loss.add(add_hidden_term(behind_ND, teacher.behind_ND[State::at(layer)], weights_N,
                                      s.teacher->hidden_share / layers, d_hidden_ND));
      behind_ND = tape.input_ND.detach();
    }
    if (!tape.output_ND.defined()) {
      s.prefetch(layer - 1);
      tape = s.record(layer, tape.input_ND, walk);
    }
    d_hidden_ND = s.backward(std::move(tape), layer, d_hidden_ND);
  }
  s.add_global_gradients(output, d_hidden_ND, piece);
  s.pending.push_back({output.loss, output.nll, output.scored, piece.packing.tokens()});
}

void TrainingPass::start_evaluation(const TrainingPiece& piece) {
  State& s = *state_;
  const at::NoGradGuard no_grad;
  const Walk walk = s.begin(piece, 0, false);
  at::Tensor hidden_ND = embed(s.globals, piece.ids_N, s.compute);
  for (int64_t layer = 0; layer < s.model.num_layers(); ++layer) {
    s.prefetch(layer + 1);
    hidden_ND = s.run_layer(layer, hidden_ND, walk);
  }
  const OutputLoss output = output_loss(s.globals, s.model.config(), hidden_ND, piece.targets_N,
                                        piece.weights_N, /*gradients=*/false);
  s.pending.push_back({output.loss, output.nll, output.scored, piece.packing.tokens()});
}

}  // namespace mop
