// pipeline/pictures.h -- the pictures of a job's texts. Every patch of a picture is a token whose
// id stands behind the vocabulary and whose embedding is a row that the model carries
// (Model::with_input_rows): statistics, training and generation see ids as ever.
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

/// Whether pictures become the same rows for both: they are of one checkpoint, and no tower was cut
/// that is not the other's.
bool have_one_tower(const Model& a, const Model& b);

class Pictures {
 public:
  /// `folder`: where the names of files are looked up, and out of which none may lead; empty = the
  /// folder of each data file.
  Pictures(const Model& model, std::filesystem::path folder);

  bool empty() const { return files_.empty(); }

  /// Gives the pictures of a record of `data` their ids. Null when the model reads no pictures.
  /// Refers to this object. Throws Error(kBadInput) when a file is not there or outside of the
  /// folder, or words and pictures are not as many.
  PlacePictures placing(const std::filesystem::path& data);
  /// The ids of a prompt with these pictures in it, whatever folder they are in.
  std::vector<int64_t> placed(const std::vector<int64_t>& ids,
                              const std::vector<std::filesystem::path>& pictures);
  /// The pictures of all records of `data`, before any of them is placed: in the file's order. None
  /// when the model reads no pictures.
  void add_all(const std::filesystem::path& data);
  /// Places the pictures of samples that come from the records of `file`. Throws as above, and
  /// when the model reads no pictures.
  void place_in(TokenSamples& samples, const std::filesystem::path& data);

  /// Throws Error(kBadInput) when there are pictures and `teacher` does not read them as the model
  /// does: as many rows each, behind an equal vocabulary.
  void check_teacher(const Model& teacher) const;
  /// Picture `number`, of which the rows number * rows_per_image() and on are.
  Picture picture(int64_t number) const;
  int64_t rows_per_image() const { return rows_per_image_; }
  /// The numbers of the pictures in these sequences, each once, rising.
  std::vector<int64_t> numbers_in(std::span<const std::vector<int64_t>> sequences) const;
  /// Bytes of the file that `shown_to` keeps the rows in.
  int64_t row_bytes(const Compute& compute) const;
  /// `model` with the rows of all pictures so far, in the compute dtype, which lie in an unnamed
  /// file of `scratch`; itself when there are none.
  Model shown_to(const Model& model, const Compute& compute, const std::filesystem::path& scratch,
                 Progress& progress) const;
  /// Of the files' contents, in order; empty when there are none.
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
