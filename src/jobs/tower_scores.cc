// jobs/tower_scores.cc
#include "jobs/tower_scores.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "criteria/criterion.h"
#include "criteria/loss_scores.h"
#include "jobs/tower_losses.h"
#include "model/composite.h"
#include "vision/image_encoder.h"

namespace mop {
namespace {

std::vector<Stat> stats_of(std::span<const std::string> criteria) {
  std::set<Stat> needed;
  for (const std::string& name : criteria) {
    for (const Stat stat : tower_stats(find_criterion(name))) needed.insert(stat);
  }
  return {needed.begin(), needed.end()};
}

// Runs the images through the tower once.
std::vector<LayerStats> collect_tower_stats(const Model& model, const Compute& compute,
                                            const TokenSamples& samples, const Pictures& pictures,
                                            std::span<const Stat> stats, Progress& progress) {
  const c10::NoGradGuard no_grad;
  const ModelConfig& tower = model.tower()->config();
  const ImageEncoder encoder(model);
  std::vector<LayerStats> layers(tower.layers.size());
  const std::vector<int64_t> numbers = pictures.numbers_in(samples.ids);
  const int64_t count = std::ssize(numbers), rows = encoder.tower().config().patches() + 1;
  progress.begin("gathering statistics of the vision tower", count);
  LayerWeights weights;
  at::Tensor input_ND;
  Packing piece;
  TowerPass pass;
  pass.weights = [&](int64_t layer) {
    weights = encoder.tower().weights(layer, compute);
    return &weights;
  };
  pass.tap = [&](int64_t layer, Site site, const at::Tensor& value_NX) {
    if (site == Site::kLayerInput) input_ND = value_NX.clone();
    const auto place = static_cast<size_t>(layer);
    for (const Stat stat : stats) {
      const StatRow& row = stat_row(stat);
      if (row.site != site) continue;
      add_to_stats(row, tower, {value_NX, input_ND, piece, weights, tower.layers[place]},
                   layers[place]);
    }
  };
  for (int64_t done = 0; done < count; done += ImageEncoder::kPiece) {
    const int64_t end = std::min(done + ImageEncoder::kPiece, count);
    std::vector<at::Tensor> tiles;
    for (int64_t i = done; i < end; ++i)
      tiles.push_back(encoder.pixels(pictures.picture(numbers[static_cast<size_t>(i)])));
    piece.lengths.assign(tiles.size(), rows);
    encoder.tower().features(encoder.tower().embed(at::cat(tiles), compute), ImageEncoder::kPiece,
                             compute, pass);
    progress.advance(end);
  }
  progress.end();
  return layers;
}

}  // namespace

bool tower_reads_pictures(std::span<const std::string> criteria) {
  return !stats_of(criteria).empty() || reads_losses(criteria);
}

std::map<std::string, std::vector<at::Tensor>> score_tower(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    const Pictures* pictures, std::span<const std::string> criteria,
    const std::map<std::string, Options>& settings, Progress& progress) {
  const ModelConfig& tower = model.tower()->config();
  const std::vector<Stat> needed = stats_of(criteria);
  if (tower_reads_pictures(criteria) && pictures == nullptr) {
    throw usage_error("this run measures a vision tower, but no calibration sample has an image");
  }
  std::vector<LayerStats> stats(tower.layers.size());
  if (!needed.empty())
    stats = collect_tower_stats(model, compute, samples, *pictures, needed, progress);
  std::map<std::string, std::vector<at::Tensor>> scores;
  const ClipTower weights_of(model);
  for (int64_t layer = 0; layer < std::ssize(tower.layers); ++layer) {
    const auto place = static_cast<size_t>(layer);
    const LayerShape& shape = tower.layers[place];
    const LayerWeights weights = weights_of.weights(layer, compute);
    for (const std::string& name : criteria) {
      const Criterion& criterion = find_criterion(name);
      if (criterion.score_losses != nullptr) continue;
      const at::Tensor values =
          criterion.score({stats[place], weights, tower, shape, section_of(settings, name), layer});
      scores[name].push_back(
          checked_scores(criterion, values, num_units(criterion.unit, shape), layer));
    }
  }
  const LossWalk walk = [&](int64_t batch_samples, const auto& visit) {
    walk_tower_losses(model, compute, samples, *pictures, batch_samples, visit, progress);
  };
  scores.merge(score_losses(tower, walk, criteria, stats, settings));
  return scores;
}

}  // namespace mop
