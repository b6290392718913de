// vision/image_encoder.cc
#include "vision/image_encoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "model/composite.h"
#include "tensor/dtype.h"
#include "vision/vision_config_keys.h"

namespace mop {
namespace {

// Bytes of hidden states kept on a device between layers, so that weights are uploaded less often.
constexpr int64_t kWaitingBytes = int64_t{256} << 20;
constexpr int64_t kPiece = ImageEncoder::kPiece;

const Composite& composite_of(const Model& model) {
  const Composite* composite = model.config().composite.get();
  const std::string where = model.checkpoint().folder().string();
  if (composite == nullptr)
    throw bad_input("the model does not support images: it has no vision tower")
        .where("model", where);
  if (composite->kind->tiles)
    throw bad_input("tiled images ({}) are not supported", composite->kind->name)
        .where("model", where)
        .hint("only the language model can be used, without images");
  return *composite;
}

ClipTower open_tower(const Model& model) {
  composite_of(model);
  return ClipTower(model);
}

void check_size(int64_t height, int64_t width, int64_t wanted) {
  if (height == wanted && width == wanted) return;
  throw bad_input("the image processor gives images of {} x {}, but the vision tower needs {} x {}",
                  height, width, wanted, wanted)
      .hint("crop_size of preprocessor_config.json must be image_size of vision_config");
}

}  // namespace

ImageEncoder::ImageEncoder(const Model& model)
    : tower_(open_tower(model)),
      projector_(model.shared_checkpoint(), composite_of(model).projector),
      processor_(read_image_processor(model.checkpoint().folder())),
      width_(model.config().hidden) {
  if (const auto size = processor_.tile_size())
    check_size(size->height, size->width, tower_.config().image);
  notes_ = processor_.config().notes;
  const auto section = composite_of(model).raw.find("vision_config");
  if (section == composite_of(model).raw.end() || !section->is_object()) return;
  for (const std::string& key : unknown_vision_keys(*section))
    notes_.push_back("config.json: vision_config." + key + " is unknown and copied unread");
}

bool ImageEncoder::has_tower(const Model& model) {
  const Composite* composite = model.config().composite.get();
  return composite != nullptr && !composite->kind->tiles;
}

bool ImageEncoder::can_encode_for(const Model& model) {
  if (!has_tower(model)) return false;
  const std::filesystem::path& folder = model.checkpoint().folder();
  return std::filesystem::exists(folder / "preprocessor_config.json") ||
         std::filesystem::exists(folder / "processor_config.json");
}

int64_t ImageEncoder::rows_per_image() const {
  return rows_of_image(tower_.config(), projector_.config());
}

void ImageEncoder::project(at::Tensor features_BTD, const at::Tensor& rows_PD,
                           const Compute& compute) const {
  if (!projector_.config().keeps_class) features_BTD = features_BTD.slice(1, 1);
  int64_t first = 0;
  for (const at::Tensor& part_BTD : features_BTD.split(kPiece)) {
    const at::Tensor projected_PD = projector_.project(part_BTD, compute).flatten(0, 1);
    rows_PD.narrow(0, first, projected_PD.size(0)).copy_(projected_PD);
    first += projected_PD.size(0);
  }
}

at::Tensor ImageEncoder::pixels(const Picture& picture) const {
  at::Tensor pixels_T3HW = processor_.pixels(picture);
  check_size(pixels_T3HW.size(2), pixels_T3HW.size(3), tower_.config().image);
  return pixels_T3HW;
}

void ImageEncoder::encode(int64_t pictures, const std::function<Picture(int64_t)>& picture,
                          const at::Tensor& rows_PD, const Compute& compute,
                          Progress& progress) const {
  const at::NoGradGuard no_gradient;
  const int64_t rows = rows_per_image();
  const int64_t bytes = (tower_.config().patches() + 1) * tower_.config().hidden *
                        static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t group = compute.device.is_cpu() ? kPiece : std::max(kPiece, kWaitingBytes / bytes);
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
    project(tower_.features(at::cat(hidden), kPiece, compute),
            rows_PD.slice(0, done * rows, end * rows), compute);
    progress.advance(end);
  }
  progress.end();
}

at::Tensor ImageEncoder::encode(std::span<const Picture> pictures, const Compute& compute,
                                Progress& progress) const {
  at::Tensor rows_PD = at::empty({std::ssize(pictures) * rows_per_image(), width()}, at::kFloat);
  const auto picture = [&](int64_t i) { return pictures[static_cast<size_t>(i)]; };
  encode(std::ssize(pictures), picture, rows_PD, compute, progress);
  return rows_PD;
}

at::Tensor ImageEncoder::encode(std::span<const std::filesystem::path> files,
                                const Compute& compute, Progress& progress) const {
  at::Tensor rows_PD = at::empty({std::ssize(files) * rows_per_image(), width()}, at::kFloat);
  const auto picture = [&](int64_t i) { return read_picture(files[static_cast<size_t>(i)]); };
  encode(std::ssize(files), picture, rows_PD, compute, progress);
  return rows_PD;
}

}  // namespace mop
