// gradient/training_pass.h -- forward and backward pass over packed samples, layer by layer through
// `decoder_layer`. Only hidden states and their gradients pass between layers, so a layer's
// activations are kept when memory allows and recomputed otherwise.
//
// Shape letters: N tokens of all sequences, concatenated; D hidden.
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

/// Concatenated samples with the target and loss weight of each token.
struct TrainingPiece {
  Packing packing;
  at::Tensor ids_N;      ///< int64, CPU
  at::Tensor targets_N;  ///< int64, CPU; used only where the weight is not 0
  at::Tensor weights_N;  ///< float32, CPU
  /// Dropout key of each token (int64, CPU), so that a token's dropout does not depend on the other
  /// samples of the piece. Undefined = position in the piece.
  at::Tensor keys_N = {};
};

struct LossSums {
  double loss = 0;  ///< sum of weight * loss, the differentiated value
  double nll = 0;   ///< sum over scored tokens of the targets' negative log-likelihood, nats
  int64_t scored = 0;
  int64_t tokens = 0;
  LossSums& operator+=(const LossSums& other);
};

/// The teacher of a distillation.
struct Teacher {
  Model model;
  LossMix mix;
  /// If above 0, adds hidden_share * weight * |student - teacher|^2 / |teacher|^2 of the hidden
  /// states after each student layer, averaged over layers.
  double hidden_share = 0;
  std::vector<int64_t> layers = {};  ///< per student layer, the corresponding layer of the teacher
};

struct PassOptions {
  double scale = 1;    ///< of low-rank additions
  double dropout = 0;  ///< of the inputs of low-rank additions
  /// Memory for layers' activations; layers beyond it are recomputed in the backward pass. Default:
  /// 2 GiB on the CPU; on a device, the memory left by weights and temporaries.
  std::optional<int64_t> activation_bytes = {};
};

class TrainingPass {
 public:
  /// Keeps a reference to `parameters`. Weights that they do not replace are frozen and stay
  /// mapped.
  TrainingPass(const Model& model, const Compute& compute, Parameters& parameters,
               const PassOptions& options, std::optional<Teacher> teacher = std::nullopt);
  ~TrainingPass();

  /// Adds the gradient of the piece's loss to the parameters'. `seed` and the tokens' keys
  /// determine the dropout.
  LossSums add_gradients(const TrainingPiece& piece, uint64_t seed);
  /// Computes the same sums without gradient, dropout and teacher.
  LossSums evaluate(const TrainingPiece& piece);
  /// Asynchronous versions. `finish` synchronises and returns the sums of all pieces started since
  /// its last call.
  void start_gradients(const TrainingPiece& piece, uint64_t seed);
  void start_evaluation(const TrainingPiece& piece);
  LossSums finish();
  /// Returns how many of the model's layers keep the activations of a piece with `tokens` tokens.
  int64_t layers_kept(int64_t tokens) const;
  /// Returns the largest piece for which all activations are kept, limited to [least, most] tokens;
  /// `most` when there is none.
  int64_t best_piece_tokens(int64_t least, int64_t most) const;
  /// The same with the limits of the compute device.
  int64_t best_piece_tokens() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
