#include "eval/validation.h"

#include <ATen/ATen.h>

#include <functional>

#include "base/error.h"
#include "eval/device_scores.h"
#include "eval/packed_groups.h"
#include "eval/prefix_walk.h"
#include "eval/token_scores.h"
#include "tensor/mapped_file.h"
#include "tensor/upload.h"

namespace mop {
namespace {

/// A group of samples and, if computed and small enough to keep, the dense model's hidden states.
struct ReferenceGroup {
  PackedGroup packed;
  at::Tensor dense_ND = {};
  DevicePredictions predictions = {};  ///< on a device: uploaded by the first call

  std::vector<Validation> compare(const LastHidden& dense, std::span<const LastHidden> candidates) {
    if (dense.hidden_ND.is_cpu()) return compare_tokens(dense, candidates, packed.targets_N);
    if (!predictions.defined()) {
      const c10::Device device = dense.hidden_ND.device();
      const at::Tensor rows_R = packed.targets_N.ge(0).nonzero().squeeze(1);
      predictions = {rows_R, packed.targets_N.index_select(0, rows_R),
                     dense.globals.head_VD.size(0), device};
      packed.ids_N = upload(packed.ids_N, device);  // validated when they were embedded
    }
    return compare_tokens(dense, candidates, predictions);
  }
};

std::vector<std::vector<int64_t>> scorable(const TokenSamples& samples) {
  std::vector<std::vector<int64_t>> sequences;
  for (const auto& ids : samples.ids) {
    if (ids.size() > 1) sequences.push_back(ids);
  }
  return sequences;
}

// Sums each rank's part of the means.
void merge(std::span<Validation> parts, Collectives& ranks) {
  if (ranks.size() == 1) return;
  const at::Tensor sums_C3 = at::zeros({static_cast<int64_t>(parts.size()), 3}, at::kDouble);
  auto sums = sums_C3.accessor<double, 2>();
  for (int64_t c = 0; c < sums.size(0); ++c) {
    const Validation& part = parts[static_cast<size_t>(c)];
    sums[c][0] = part.nll, sums[c][1] = part.kl, sums[c][2] = part.cosine;
  }
  ranks.all_reduce({sums_C3});
  for (int64_t c = 0; c < sums.size(0); ++c) {
    parts[static_cast<size_t>(c)] = {sums[c][0], sums[c][1], sums[c][2]};
  }
}

// A candidate's globals: the dense model's unless some were changed or channels were removed.
struct Globals {
  Globals(const Model& model, WeightLoader& dense, const Compute& compute) {
    const bool narrower = model.channels() != dense.model().channels();
    if (narrower) channels_D = at::tensor(model.channels(), at::kInt).to(compute.device);
    if (model.changed_globals().empty() && !narrower) {
      weights = &dense.globals();
    } else {
      own = std::make_unique<WeightLoader>(model, compute, WeightLoader::Keep::kOne);
      weights = &own->globals();
    }
  }
  std::unique_ptr<WeightLoader> own;
  const GlobalWeights* weights;
  at::Tensor channels_D;  // of the dense model's channels, those that remain; undefined = all
};

}  // namespace

struct Validator::State {
  Model dense;
  Compute compute;
  WeightLoader dense_weights;  ///< for the globals, which candidates share
  std::vector<ReferenceGroup> groups;
  int64_t tokens = 0;
  int64_t scored_tokens = 0;  ///< of all ranks
  Collectives& ranks;
  bool keep_reference = false;
  int64_t layers_run = 0;

  /// Adds the group's share of every candidate's means to `total`.
  void add_group(ReferenceGroup& group, std::span<const Model* const> candidates,
                 std::span<const Globals> globals, const std::function<void()>& after_layer,
                 std::span<Validation> total);

  State(const Model& model, Compute how, Collectives& all)
      : dense(model),
        compute(how),
        dense_weights(model, how, WeightLoader::Keep::kOne),
        ranks(all) {}
};

Validator::Validator(const Model& dense, const TokenSamples& samples, Compute compute,
                     ValidatorOptions options, Collectives& ranks)
    : state_(std::make_unique<State>(dense, compute, ranks)) {
  auto sequences = scorable(samples);
  if (sequences.empty()) {
    throw bad_input("the validation samples have no token to predict")
        .hint("give longer or more samples: --validation FILE, --samples N");
  }
  state_->scored_tokens = predicted_tokens(sequences, dense.config().vocab);
  const auto [first, last] = rank_share(static_cast<int64_t>(sequences.size()), ranks);
  sequences = {sequences.begin() + first, sequences.begin() + last};
  const int64_t limit =
      options.group_tokens > 0 ? options.group_tokens : group_tokens(dense.config(), compute) / 4;
  for (PackedGroup& packed : pack_groups(sequences, limit)) {
    if (dense.input_rows().defined())
      packed.targets_N.masked_fill_(packed.targets_N.ge(dense.config().vocab), -1);
    state_->tokens += packed.packing.tokens();
    state_->groups.push_back({.packed = std::move(packed)});
  }
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t bytes = state_->tokens * dense.config().hidden * element;
  state_->keep_reference = bytes <= options.reference_bytes;
}

Validator::~Validator() = default;
Validator::Validator(Validator&&) noexcept = default;

int64_t Validator::layers_run() const { return state_->layers_run; }

void Validator::State::add_group(ReferenceGroup& group, std::span<const Model* const> candidates,
                                 std::span<const Globals> globals,
                                 const std::function<void()>& after_layer,
                                 std::span<Validation> total) {
  std::vector<const Model*> models(candidates.begin(), candidates.end());
  if (!group.dense_ND.defined()) models.push_back(&dense);
  const auto last_ND = walk_models(models, group.packed, compute, after_layer);
  const at::Tensor dense_ND = group.dense_ND.defined() ? group.dense_ND : last_ND.back();
  if (keep_reference) group.dense_ND = dense_ND;
  std::vector<LastHidden> outputs;
  for (size_t c = 0; c < candidates.size(); ++c) {
    outputs.push_back(
        {*globals[c].weights, candidates[c]->config(), last_ND[c], globals[c].channels_D});
  }
  const LastHidden reference{dense_weights.globals(), dense.config(), dense_ND};
  const auto sums = group.compare(reference, outputs);
  const auto scored = static_cast<double>(scored_tokens);
  for (size_t c = 0; c < candidates.size(); ++c) {
    total[c].nll += sums[c].nll / scored;
    total[c].kl += sums[c].kl / scored;
    total[c].cosine += sums[c].cosine / scored;
  }
}

std::vector<Validation> Validator::validate(std::span<const Model* const> candidates,
                                            Progress& progress) {
  State& s = *state_;
  std::vector<Validation> total(candidates.size());
  std::vector<Globals> globals;
  int64_t most_layers = s.dense.num_layers();
  for (const Model* model : candidates) {
    if (&model->checkpoint() != &s.dense.checkpoint()) {
      throw internal_error("a candidate comes from another checkpoint than the dense model");
    }
    globals.emplace_back(*model, s.dense_weights, s.compute);
    most_layers += model->num_layers();
  }
  progress.begin("validation", most_layers * static_cast<int64_t>(s.groups.size()));
  const auto after_layer = [&, done = int64_t{0}]() mutable {
    ++s.layers_run;
    progress.advance(++done);
    check_stop();
  };
  for (ReferenceGroup& group : s.groups) {
    s.add_group(group, candidates, globals, after_layer, total);
  }
  merge(total, s.ranks);
  progress.end();
  check_mappings();
  return total;
}

}  // namespace mop
