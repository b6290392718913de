// stats/gate_gradients.cc
//
// Shape letters: N tokens, X inputs of a projection, U units, S sequences, T tokens of a sequence.
#include "stats/gate_gradients.h"

#include <ATen/ATen.h>

#include "stats/abs_sums.h"
#include "stats/backward_walk.h"

namespace mop {
namespace {

// [N, U * k] -> [S, U] float64: sums over each sequence's tokens and each unit's k entries.
at::Tensor sum_by_sequence(const at::Tensor& products_NX, const Packing& piece, int64_t units) {
  const at::Tensor products_NU =
      products_NX.unflatten(1, {units, -1}).sum(2, /*keepdim=*/false, at::kDouble);
  std::vector<at::Tensor> sums;
  for (const EqualLengths& run : equal_lengths(piece)) {
    sums.push_back(products_NU.narrow(0, run.first_token, run.tokens())
                       .unflatten(0, {run.sequences, run.length})
                       .sum(1));
  }
  return at::cat(sums);
}

}  // namespace

void walk_gates(const Model& model, const Compute& compute, const TokenSamples& samples,
                const GateWalk& walk, Progress& progress) {
  const TokenSamples kept = drop_single_tokens(samples);
  if (kept.ids.empty()) return;
  BackwardVisitor visitor;
  visitor.sites = {Site::kHeadOutput, Site::kNeuron};
  visitor.visit = [&](const BackwardPiece& piece) {
    const LayerShape& shape = model.config().layers[static_cast<size_t>(piece.layer)];
    for (const auto& [site, seen] : piece.sites) {
      const at::Tensor products_NX = seen.value.to(at::kFloat) * seen.gradient.to(at::kFloat);
      const int64_t units = site == Site::kNeuron ? shape.mlp : shape.kv_heads;
      walk.add(piece.layer, site, sum_by_sequence(products_NX, piece.packing, units));
    }
  };
  visitor.after_layer = walk.after_layer;
  const auto scratch = walk.scratch.empty() ? std::filesystem::temp_directory_path() : walk.scratch;
  walk_backward(model, compute, kept, scratch, visitor, progress, walk.chunk_tokens);
}

}  // namespace mop
