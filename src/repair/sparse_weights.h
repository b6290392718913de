// repair/sparse_weights.h -- single weights that become zero, matrix by matrix: the table of
// methods, and the walk through the layers that they share.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/option.h"
#include "base/progress.h"
#include "base/random.h"
#include "model/model.h"
#include "model/weights.h"
#include "solve/sparse.h"
#include "text/samples.h"

namespace mop {

struct SparseOptions {
  std::string method = "sparsegpt";
  SparsityPattern pattern;
  double damping = 1e-2;  ///< of sparsegpt
  int64_t block = 128;    ///< of sparsegpt
  uint64_t seed = 0;      ///< of random
};

/// What a method sees of one matrix.
struct SparseInput {
  const at::Tensor& weights_OK;  ///< float64, CPU
  const at::Tensor& squares_K;   ///< mean squares of the inputs, float64, CPU
  const at::Tensor& gram_KK;     ///< second moments of the inputs, CPU
  const SparseOptions& options;
  Random& random;  ///< of this matrix
};

/// A way to choose the zeros, by name.
struct SparseMethod {
  enum class Reads { kNothing, kSquares, kGram };
  std::string name;
  std::string summary;
  std::string source = {};        ///< paper and equation
  Reads reads = Reads::kNothing;  ///< what of the inputs; the other tensors are undefined
  at::Tensor (*solve)(const SparseInput& input) = nullptr;  ///< the new weights, float64
  std::vector<OptionSpec> options = {};                     ///< in the section `weights`
  std::vector<int> deviations = {};  ///< from the paper, by number: docs/method.md
};
extern const Option<double> kWeightsDamping;
extern const Option<int64_t> kWeightsBlock, kWeightsSeed;
std::span<const SparseMethod> all_sparse_methods();
/// Throws Error(kUsage) listing the known names.
const SparseMethod& find_sparse_method(std::string_view name);

/// `model` with zeros in every projection of every layer (q, k, v, o, gate, up, down); embedding,
/// head, norms and biases stay. Layer by layer: a layer's matrices are solved for the inputs that
/// they have behind the sparse layers before it, and with the layer's other matrices as they were;
/// then the hidden states go on through the sparse layer. In memory: one stream of hidden states
/// and one layer's second moments. Changed tensors keep their stored dtype and lie in `scratch`.
/// Throws Error(kUsage) without samples.
Model sparsify(const Model& model, const TokenSamples& samples, const Compute& compute,
               const SparseOptions& options, const std::filesystem::path& scratch,
               Progress& progress);

/// Weights of the projections that `sparsify` looks at, and those of them that are 0.
struct ZeroCount {
  int64_t zeros = 0, weights = 0;
};
ZeroCount count_zeros(const Model& model);

}  // namespace mop
