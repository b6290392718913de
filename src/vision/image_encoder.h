// vision/image_encoder.h -- the front of the room: pictures -> rows that stand in the place of the
// embeddings of tokens.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "vision/clip_tower.h"
#include "vision/image_processor.h"
#include "vision/projector.h"

namespace mop {

/// The image processor, vision tower and projector of a LLaVA-1.5 folder.
class ImageEncoder {
 public:
  /// Of `model` as it is: with its tower, cut or not. Throws Error(kBadInput) for a model that
  /// reads no pictures, and for an image processor that is missing, not supported or of another
  /// size than the tower.
  explicit ImageEncoder(const Model& model);
  /// Whether the model has a tower that we run: LLaVA-1.5's, and not one of tiles.
  static bool has_tower(const Model& model);
  /// Whether the model reads pictures as we make them and its folder has an image processor.
  static bool can_encode_for(const Model& model);

  /// Rows of one picture.
  int64_t rows_per_image() const;
  /// Width of a row: the hidden size of the language model.
  int64_t width() const { return width_; }
  /// What a user should know of the files, a line each.
  const std::vector<std::string>& notes() const { return notes_; }
  const ImageProcessor& processor() const { return processor_; }
  const ClipTower& tower() const { return tower_; }

  /// Pictures that a layer works on at a time, which bounds what it needs besides hidden states.
  static constexpr int64_t kPiece = 16;
  /// [1, 3, image, image], float32: what the tower reads.
  at::Tensor pixels(const Picture& picture) const;
  /// Features of pictures (ClipTower::features) -> their rows, in place: `rows_PD` is float32.
  void project(at::Tensor features_BTD, const at::Tensor& rows_PD, const Compute& compute) const;

  /// Writes `rows_PD`, [pictures * rows_per_image, width], of any floating dtype, CPU, computed as
  /// `compute` says. The weights of a layer are loaded when its turn comes, and so are the
  /// pictures, a few at a time. Throws Error(kBadInput) where `picture` does.
  void encode(int64_t pictures, const std::function<Picture(int64_t)>& picture,
              const at::Tensor& rows_PD, const Compute& compute, Progress& progress) const;
  /// The same in a tensor of its own.
  at::Tensor encode(std::span<const Picture> pictures, const Compute& compute,
                    Progress& progress) const;
  at::Tensor encode(std::span<const std::filesystem::path> files, const Compute& compute,
                    Progress& progress) const;

 private:
  ClipTower tower_;
  Projector projector_;
  ImageProcessor processor_;
  int64_t width_;
  std::vector<std::string> notes_;
};

}  // namespace mop
