// vision/image_encoder.h -- the front of the room: pictures -> rows that stand in the place of the
// embeddings of tokens.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "model/weights.h"
#include "vision/clip_tower.h"
#include "vision/image_processor.h"
#include "vision/projector.h"

namespace mop {

/// The image processor, vision tower and projector of a LLaVA-1.5 folder.
class ImageEncoder {
 public:
  /// `config` is the whole config.json, before anything took the language model's part of it.
  /// Throws Error(kBadInput): a tower, processor or setting that is not supported, tensors that are
  /// missing or of other shapes.
  ImageEncoder(std::shared_ptr<const Checkpoint> checkpoint, const Json& config);

  /// Rows of one picture.
  int64_t rows_per_image() const;
  /// Width of a row: the hidden size of the language model.
  int64_t width() const { return projector_.width(); }
  /// What a user should know of the files, a line each.
  std::vector<std::string> notes() const;
  const ImageProcessor& processor() const { return processor_; }

  /// [pictures * rows_per_image, width], float32, CPU, computed as `compute` says. The weights of a
  /// layer are loaded when its turn comes, and so are the pictures, a few at a time. Throws
  /// Error(kBadInput) where `picture` does.
  at::Tensor encode(int64_t pictures, const std::function<Picture(int64_t)>& picture,
                    const Compute& compute, Progress& progress) const;
  at::Tensor encode(std::span<const Picture> pictures, const Compute& compute,
                    Progress& progress) const;
  at::Tensor encode(std::span<const std::filesystem::path> files, const Compute& compute,
                    Progress& progress) const;

 private:
  at::Tensor pixels(const Picture& picture) const;

  ImageProcessor processor_;
  ClipTower tower_;
  bool class_token_;  // whether its row is a feature, too
  Projector projector_;
};

}  // namespace mop
