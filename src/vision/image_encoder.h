// vision/image_encoder.h -- encodes images as rows that replace token embeddings.
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
  /// Uses `model` with its current tower, pruned or not. Throws Error(kBadInput) for a model
  /// without image input, and for an image processor that is missing, unsupported or of a size
  /// other than the tower's.
  explicit ImageEncoder(const Model& model);
  /// Whether the model has a tower that can be computed: LLaVA-1.5, not models with tiled images.
  static bool has_tower(const Model& model);
  /// Whether image input is supported for the model and its folder has an image processor.
  static bool can_encode_for(const Model& model);

  /// Number of rows per image.
  int64_t rows_per_image() const;
  /// Width of a row: the hidden size of the language model.
  int64_t width() const { return width_; }
  /// Notices for the user about the files, one line each.
  const std::vector<std::string>& notes() const { return notes_; }
  const ImageProcessor& processor() const { return processor_; }
  const ClipTower& tower() const { return tower_; }

  /// Number of images processed by a layer at a time, which limits the memory of temporaries.
  static constexpr int64_t kPiece = 16;
  /// Returns the tower's input: [1, 3, image, image], float32.
  at::Tensor pixels(const Picture& picture) const;
  /// Projects features (ClipTower::features) to rows, written to `rows_PD`, float32.
  void project(at::Tensor features_BTD, const at::Tensor& rows_PD, const Compute& compute) const;

  /// Writes `rows_PD`, [pictures * rows_per_image, width], any floating dtype, CPU, computed in
  /// `compute`. Weights are loaded one layer at a time and images a few at a time. Throws
  /// Error(kBadInput) if `picture` does.
  void encode(int64_t pictures, const std::function<Picture(int64_t)>& picture,
              const at::Tensor& rows_PD, const Compute& compute, Progress& progress) const;
  /// The same, returned as a new tensor.
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
