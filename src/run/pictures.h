// run/pictures.h -- the images of a job's texts. Every image patch is a token with an id at or
// above the vocabulary size, whose embedding is an input row of the model (Model::with_input_rows),
// so that statistics, training and generation process plain ids.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "text/record_file.h"
#include "text/record_pictures.h"
#include "text/samples.h"
#include "vision/picture.h"

namespace mop {

/// Whether images give the same rows for both models: they have the same checkpoint and equally
/// pruned towers.
bool have_one_tower(const Model& a, const Model& b);

class Pictures {
 public:
  /// `folder`: the folder of image files, which their names must not leave; empty = the folder of
  /// each data file.
  Pictures(const Model& model, std::filesystem::path folder);

  bool empty() const { return files_.empty(); }

  /// Returns a function that inserts the ids of a record's images; null if the model has no image
  /// input. It refers to this object. Throws Error(kBadInput) if a file is missing or outside the
  /// folder, or the numbers of placeholders and images differ.
  PlacePictures placing(const std::filesystem::path& data);
  /// Returns the ids of a prompt with these images inserted; files may be in any folder.
  std::vector<int64_t> placed(const std::vector<int64_t>& ids,
                              const std::vector<std::filesystem::path>& pictures);
  /// Adds the images of all records of `data`, in file order, before any is placed. Does nothing if
  /// the model has no image input.
  void add_all(const std::filesystem::path& data);
  /// Inserts the ids of images into samples read from the records of `data`. Throws as above, and
  /// if the model has no image input.
  void place_in(TokenSamples& samples, const std::filesystem::path& data);

  /// Throws Error(kBadInput) if there are images and `teacher` does not give them the same number
  /// of rows and the same ids.
  void check_teacher(const Model& teacher) const;
  /// Returns image `number`, whose rows start at number * rows_per_image().
  Picture picture(int64_t number) const;
  int64_t rows_per_image() const { return rows_per_image_; }
  /// Returns the distinct image numbers in these sequences, in increasing order.
  std::vector<int64_t> numbers_in(std::span<const std::vector<int64_t>> sequences) const;
  /// Bytes of the file in which `shown_to` stores the rows.
  int64_t row_bytes(const Compute& compute) const;
  /// Returns `model` with the rows of all images so far, in the compute dtype, stored in an unnamed
  /// file in `scratch`; `model` itself if there are none.
  Model shown_to(const Model& model, const Compute& compute, const std::filesystem::path& scratch,
                 Progress& progress) const;
  /// Digest of the files' contents, in order; empty if there are none.
  std::string sha256() const;

 private:
  std::filesystem::path folder_beside(const std::filesystem::path& data) const;
  int64_t number_of(const std::filesystem::path& file);
  void require_sight(const std::string& name) const;
  std::vector<int64_t> expanded(const std::vector<int64_t>& ids,
                                const std::vector<int64_t>& numbers) const;
  void place(std::vector<int64_t>& ids, std::vector<int64_t>* labels,
             const std::filesystem::path& folder, const std::vector<std::string>& pictures,
             bool was_cut);

  std::filesystem::path folder_;
  Model model_;
  bool sees_;
  int64_t placeholder_ = 0, vocab_ = 0, rows_per_image_ = 0;
  std::vector<std::filesystem::path> files_;
  std::map<std::filesystem::path, int64_t> numbers_;
};

}  // namespace mop
