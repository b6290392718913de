// gradient/training_pass.h -- one forward and backward pass over packed samples, layer by layer
// through `decoder_layer`: nothing crosses from one layer to the next but hidden states and their
// gradient, so a layer's activations are kept where memory allows and computed again elsewhere.
//
// Shape letters: N tokens of all sequences laid end to end, D hidden.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "gradient/output_loss.h"
#include "gradient/parameters.h"
#include "gradient/pass_memory.h"
#include "model/forward.h"
#include "model/model.h"

namespace mop {

/// Samples laid end to end and what each token's loss counts.
struct TrainingPiece {
  Packing packing;
  at::Tensor ids_N;      ///< int64, CPU
  at::Tensor targets_N;  ///< int64, CPU; read only where the weight is not 0
  at::Tensor weights_N;  ///< float32, CPU
  /// A key for every token (int64, CPU), from which dropout is drawn: what a token loses is the
  /// same whatever shares its piece. Undefined = its place in the piece.
  at::Tensor keys_N = {};
};

struct LossSums {
  double loss = 0;  ///< sum of weight * loss: what the gradient is of
  double nll = 0;   ///< sum over scored tokens of the targets' negative log-likelihood, nats
  int64_t scored = 0;
  int64_t tokens = 0;
  LossSums& operator+=(const LossSums& other);
};

/// A model to learn from.
struct Teacher {
  Model model;
  LossMix mix;
  /// Above 0, adds hidden_share * weight * |student - teacher|^2 / |teacher|^2 of the hidden states
  /// behind every student layer, mean over layers.
  double hidden_share = 0;
  std::vector<int64_t> layers = {};  ///< the teacher's layer that each of the student's answers to
};

struct PassOptions {
  double scale = 1;    ///< of low-rank additions
  double dropout = 0;  ///< of their inputs
  /// Memory for layers' activations; layers beyond it are computed again in the backward pass. When
  /// nothing is said: 2 GiB on the CPU, on a device what is free beside weights and temporaries.
  std::optional<int64_t> activation_bytes = {};
};

class TrainingPass {
 public:
  /// Refers to `parameters`. Weights that they do not replace are frozen and stay mapped.
  TrainingPass(const Model& model, const Compute& compute, Parameters& parameters,
               const PassOptions& options, std::optional<Teacher> teacher = std::nullopt);
  ~TrainingPass();

  /// Adds the gradient of the piece's loss to the parameters'. `seed` and the tokens' keys draw
  /// what is dropped.
  LossSums add_gradients(const TrainingPiece& piece, uint64_t seed);
  /// The same sums without gradient, dropout and teacher.
  LossSums evaluate(const TrainingPiece& piece);
  /// The same two without waiting for a device. `finish` waits, and gives the sums of all pieces
  /// started since it was last called.
  void start_gradients(const TrainingPiece& piece, uint64_t seed);
  void start_evaluation(const TrainingPiece& piece);
  LossSums finish();
  /// How many of `model`'s layers keep the activations of a piece of so many tokens.
  int64_t layers_kept(int64_t tokens) const;
  /// The largest piece whose activations are all kept, held to [least, most] tokens; `most` when
  /// no piece's are.
  int64_t best_piece_tokens(int64_t least, int64_t most) const;
  /// The same between the limits of the device at hand.
  int64_t best_piece_tokens() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
