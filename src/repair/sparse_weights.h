// repair/sparse_weights.h -- sparsifies single weights, matrix by matrix: the table of methods, and
// the loop over layers that they share.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
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
  Options settings;  ///< the section `weights`, as the method declares it
};

/// Input of a method for one matrix.
struct SparseInput {
  const at::Tensor& weights_OK;  ///< float64, CPU
  const at::Tensor& squares_K;   ///< mean squares of the inputs, float64, CPU
  const at::Tensor& gram_KK;     ///< second moments of the inputs, CPU
  const SparsityPattern& pattern;
  const Options& options;  ///< SparseOptions::settings
  Random& random;          ///< seeded per matrix
};

/// A row of the table of methods.
struct SparseMethod {
  enum class Reads { kNothing, kSquares, kGram };
  std::string name;
  std::string summary;
  std::string source = {};  ///< paper and equation
  /// Which input statistics it needs; the other tensors are undefined.
  Reads reads = Reads::kNothing;
  at::Tensor (*solve)(const SparseInput& input) = nullptr;  ///< returns the new weights, float64
  std::vector<OptionSpec> options = {};                     ///< in the section `weights`
  std::vector<int> deviations = {};  ///< from the paper, by number: docs/method.md
};
extern const Option<int64_t> kWeightsBlock, kWeightsSeed;
std::span<const SparseMethod> all_sparse_methods();
/// Throws Error(kUsage) listing the known names.
const SparseMethod& find_sparse_method(std::string_view name);

/// Returns `model` with zeros in every projection (q, k, v, o, gate, up, down); embedding, head,
/// norms and biases are unchanged. Processes layers in order: each matrix is solved for its inputs
/// after the sparse layers before it, with the layer's other matrices still dense; then the hidden
/// states pass through the sparse layer. Memory: one stream of hidden states and one layer's second
/// moments. Changed tensors keep their stored dtype and are stored in `scratch`. Throws
/// Error(kUsage) without samples.
Model sparsify(const Model& model, const TokenSamples& samples, const Compute& compute,
               const SparseOptions& options, const std::filesystem::path& scratch,
               Progress& progress);

/// Number of weights in the projections that `sparsify` changes, and of zeros among them.
struct ZeroCount {
  int64_t zeros = 0, weights = 0;
};
ZeroCount count_zeros(const Model& model);

}  // namespace mop
