// vision/image_encoder.cc
#include "vision/image_encoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "base/error.h"
#include "base/narrow.h"

namespace mop {
namespace {

constexpr const char* kWhere = "config.json";
// Pictures that a layer works on at a time, which bounds what it needs besides hidden states.
constexpr int64_t kPiece = 16;
// Hidden states that wait on a device for the next layer, so that weights are uploaded seldom.
constexpr int64_t kWaitingBytes = int64_t{256} << 20;

// From 0 to `layers`; below 0 counted from the end.
int64_t state_of(const Json& value, int64_t layers) {
  const int64_t index = whole_number(value, "vision_feature_layer");
  if (index < -layers - 1 || index > layers)
    throw bad_input("vision_feature_layer is {}, the tower has {} hidden states", index, layers + 1)
        .where("file", kWhere);
  return index < 0 ? index + layers + 1 : index;
}

std::vector<int64_t> feature_states(const Json& config, int64_t layers) {
  const auto it = config.find("vision_feature_layer");
  if (it == config.end() || it->is_null()) return {state_of(-2, layers)};
  if (!it->is_array()) return {state_of(*it, layers)};
  if (it->empty()) throw bad_input("vision_feature_layer is empty").where("file", kWhere);
  std::vector<int64_t> states;
  for (const Json& value : *it) states.push_back(state_of(value, layers));
  return states;
}

bool keeps_class_token(const Json& config) {
  const auto strategy =
      get_or<std::string>(config, "vision_feature_select_strategy", "default", kWhere);
  if (strategy == "default" || strategy == "full") return strategy == "full";
  throw bad_input("unsupported vision_feature_select_strategy '{}'", strategy)
      .where("file", kWhere)
      .hint("supported: default, full");
}

ClipTower open_tower(const std::shared_ptr<const Checkpoint>& checkpoint, const Json& config) {
  ClipTowerConfig tower = parse_clip_tower(config);
  std::vector<int64_t> states = feature_states(config, tower.layers);
  return {checkpoint, std::move(tower), std::move(states)};
}

void check_size(int64_t height, int64_t width, int64_t wanted) {
  if (height == wanted && width == wanted) return;
  throw bad_input("the image processor makes pictures of {} x {}, the vision tower reads {} x {}",
                  height, width, wanted, wanted)
      .hint("crop_size of preprocessor_config.json must be image_size of vision_config");
}

}  // namespace

ImageEncoder::ImageEncoder(std::shared_ptr<const Checkpoint> checkpoint, const Json& config)
    : processor_(read_image_processor(checkpoint->folder())),
      tower_(open_tower(checkpoint, config)),
      class_token_(keeps_class_token(config)),
      projector_(checkpoint, config, tower_.width()) {
  if (const auto size = processor_.tile_size())
    check_size(size->height, size->width, tower_.config().image_size);
}

int64_t ImageEncoder::rows_per_image() const {
  return tower_.config().patches() + (class_token_ ? 1 : 0);
}

std::vector<std::string> ImageEncoder::notes() const {
  std::vector<std::string> notes = processor_.config().notes;
  const std::vector<std::string>& of_tower = tower_.config().notes;
  notes.insert(notes.end(), of_tower.begin(), of_tower.end());
  return notes;
}

at::Tensor ImageEncoder::pixels(const Picture& picture) const {
  at::Tensor pixels_T3HW = processor_.pixels(picture);
  check_size(pixels_T3HW.size(2), pixels_T3HW.size(3), tower_.config().image_size);
  return pixels_T3HW;
}

at::Tensor ImageEncoder::encode(int64_t pictures, const std::function<Picture(int64_t)>& picture,
                                const Compute& compute, Progress& progress) const {
  const at::NoGradGuard no_gradient;
  const int64_t rows = rows_per_image();
  const int64_t bytes = (tower_.config().patches() + 1) * tower_.config().hidden *
                        static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t group = compute.device.is_cpu() ? kPiece : std::max(kPiece, kWaitingBytes / bytes);
  at::Tensor rows_PD = at::empty({pictures * rows, width()}, at::kFloat);
  progress.begin("pictures", pictures);
  for (int64_t done = 0; done < pictures; done += group) {
    const int64_t end = std::min(pictures, done + group);
    std::vector<at::Tensor> hidden;
    for (int64_t first = done; first < end; first += kPiece) {
      std::vector<at::Tensor> tiles;
      for (int64_t i = first; i < std::min(end, first + kPiece); ++i)
        tiles.push_back(pixels(picture(i)));
      hidden.push_back(tower_.embed(at::cat(tiles), compute));
    }
    at::Tensor features_BTD = tower_.features(at::cat(hidden), kPiece, compute);
    if (!class_token_) features_BTD = features_BTD.slice(1, 1);
    const at::Tensor projected_BTD = projector_.project(features_BTD, compute);
    rows_PD.narrow(0, done * rows, (end - done) * rows).copy_(projected_BTD.flatten(0, 1));
    progress.advance(end);
  }
  progress.end();
  return rows_PD;
}

at::Tensor ImageEncoder::encode(std::span<const Picture> pictures, const Compute& compute,
                                Progress& progress) const {
  return encode(
      std::ssize(pictures), [&](int64_t i) { return pictures[static_cast<size_t>(i)]; }, compute,
      progress);
}

at::Tensor ImageEncoder::encode(std::span<const std::filesystem::path> files,
                                const Compute& compute, Progress& progress) const {
  return encode(
      std::ssize(files), [&](int64_t i) { return read_picture(files[static_cast<size_t>(i)]); },
      compute, progress);
}

}  // namespace mop
