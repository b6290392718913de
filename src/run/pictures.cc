// run/pictures.cc
#include "run/pictures.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/inside_links.h"
#include "model/composite.h"
#include "tensor/dtype.h"
#include "tensor/scratch.h"
#include "vision/image_encoder.h"
#include "vision/image_prompt.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

// File names in data are not trusted: they must not leave the folder.
fs::path checked_file(const fs::path& folder, const std::string& name) {
  const fs::path relative = fs::path(name).lexically_normal();
  if (name.empty() || relative.is_absolute() || *relative.begin() == "..")
    throw bad_input("an image path must be relative and inside the image folder, got '{}'", name)
        .where("folder", folder.string());
  const fs::path file = folder / relative;
  if (!fs::exists(file)) {
    throw io_error("there is no such image: {}", name)
        .where("folder", folder.string())
        .hint("--images FOLDER sets the folder of image files");
  }
  try {
    check_link_inside(folder, file);
  } catch (const Error&) {
    throw bad_input("an image is a link to a file outside the image folder: {}", name)
        .where("folder", folder.string())
        .hint("set --images FOLDER to the folder that contains the image files");
  }
  return file;
}

}  // namespace

bool have_one_tower(const Model& a, const Model& b) {
  return &a.checkpoint() == &b.checkpoint() && a.config().composite == b.config().composite;
}

Pictures::Pictures(const Model& model, fs::path folder)
    : folder_(std::move(folder)), model_(model), sees_(ImageEncoder::has_tower(model)) {
  if (!sees_) return;
  const Composite& composite = *model.config().composite;
  placeholder_ = composite.image_token;
  vocab_ = model.config().vocab;
  rows_per_image_ = rows_of_image(composite.vision, composite.projector);
}

fs::path Pictures::folder_beside(const fs::path& data) const {
  if (!folder_.empty()) return folder_;
  return data.has_parent_path() ? data.parent_path() : fs::path(".");
}

void Pictures::require_sight(const std::string& name) const {
  if (!sees_) throw unread_picture(name);
}

int64_t Pictures::number_of(const fs::path& file) {
  require_sight(file.string());
  if (files_.empty()) ImageEncoder unused(model_);  // reports errors before the work starts
  const auto [place, is_new] = numbers_.try_emplace(file, std::ssize(files_));
  if (is_new) files_.push_back(file);
  return place->second;
}

std::vector<int64_t> Pictures::expanded(const std::vector<int64_t>& ids,
                                        const std::vector<int64_t>& numbers) const {
  return expand_images(
      ids, numbers,
      {.placeholder = placeholder_, .vocab = vocab_, .rows_per_image = rows_per_image_});
}

std::vector<int64_t> Pictures::placed(const std::vector<int64_t>& ids,
                                      const std::vector<fs::path>& pictures) {
  std::vector<int64_t> numbers;
  for (const fs::path& file : pictures) numbers.push_back(number_of(file));
  return sees_ ? expanded(ids, numbers) : ids;
}

void Pictures::place(std::vector<int64_t>& ids, std::vector<int64_t>* labels,
                     const fs::path& folder, const std::vector<std::string>& pictures,
                     bool was_cut) {
  std::vector<int64_t> numbers;
  for (const std::string& name : pictures) numbers.push_back(number_of(checked_file(folder, name)));
  const auto words = std::ranges::count(ids, placeholder_);
  if (was_cut && std::ssize(numbers) > words) numbers.resize(static_cast<size_t>(words));
  if (labels != nullptr) {
    std::vector<int64_t> longer;
    for (size_t i = 0; i < ids.size(); ++i) {
      const bool is_picture = ids[i] == placeholder_;
      longer.insert(longer.end(), is_picture ? static_cast<size_t>(rows_per_image_) : 1,
                    is_picture ? kNoLoss : (*labels)[i]);
    }
    *labels = std::move(longer);
  }
  if (was_cut && words == 0) return;  // truncated before the first image
  ids = expanded(ids, numbers);
}

PlacePictures Pictures::placing(const fs::path& data) {
  if (!sees_) return nullptr;
  return [this, folder = folder_beside(data)](auto& ids, auto* labels, const auto& pictures,
                                              bool was_cut) {
    place(ids, labels, folder, pictures, was_cut);
  };
}

void Pictures::add_all(const fs::path& data) {
  if (!sees_) return;
  const RecordFile file = RecordFile::open(data);
  if (file.is_text()) return;
  const fs::path folder = folder_beside(data);
  for (int64_t i = 0; i < file.size(); ++i) {
    for (const std::string& name : pictures_of(file.json(i), file.where(i)))
      number_of(checked_file(folder, name));
  }
}

void Pictures::place_in(TokenSamples& samples, const fs::path& data) {
  if (data == kBuiltInText) return;  // has no images
  const RecordFile file = RecordFile::open(data);
  if (file.is_text()) return;
  const fs::path folder = folder_beside(file.path());
  bool any = false;
  for (size_t s = 0; s < samples.ids.size(); ++s) {
    const int64_t index = samples.origins.at(s).index;
    const std::vector<std::string> names = pictures_of(file.json(index), file.where(index));
    if (names.empty() && !sees_) continue;
    if (!names.empty()) require_sight(names.front());
    try {
      place(samples.ids[s], nullptr, folder, names, std::ssize(samples.ids[s]) == samples.longest);
    } catch (Error& e) {
      throw std::move(e).where("sample", file.where(index));
    }
    any = true;
  }
  if (any) rehash(samples);
}

void Pictures::check_teacher(const Model& teacher) const {
  if (files_.empty()) return;
  const Composite* composite =
      ImageEncoder::has_tower(teacher) ? teacher.config().composite.get() : nullptr;
  const bool same = composite != nullptr && teacher.config().vocab == vocab_ &&
                    rows_of_image(composite->vision, composite->projector) == rows_per_image_;
  if (same) return;
  throw bad_input("the data has images, which the teacher encodes differently from the model")
      .where("teacher", teacher.checkpoint().folder().string());
}

int64_t Pictures::row_bytes(const Compute& compute) const {
  return std::ssize(files_) * rows_per_image_ * model_.config().hidden *
         static_cast<int64_t>(dtype_bytes(compute.dtype));
}

std::vector<int64_t> Pictures::numbers_in(std::span<const std::vector<int64_t>> sequences) const {
  std::set<int64_t> numbers;
  for (const std::vector<int64_t>& ids : sequences) {
    for (const int64_t id : ids) {
      if (id >= vocab_) numbers.insert((id - vocab_) / rows_per_image_);
    }
  }
  return {numbers.begin(), numbers.end()};
}

Picture Pictures::picture(int64_t number) const {
  return read_picture(files_.at(static_cast<size_t>(number)));
}

Model Pictures::shown_to(const Model& model, const Compute& compute, const fs::path& scratch,
                         Progress& progress) const {
  if (files_.empty()) return model;
  const ImageEncoder encoder(model);
  // Reported once, for the unpruned tower.
  const bool is_cut = model.config().composite != model.source_config().composite;
  for (const std::string& note : encoder.notes()) {
    if (!is_cut) progress.note("note: " + note);
  }
  const at::Tensor rows_PD = zeros_in_scratch(
      {std::ssize(files_) * encoder.rows_per_image(), encoder.width()}, compute.dtype, scratch);
  encoder.encode(
      std::ssize(files_), [&](int64_t i) { return picture(i); }, rows_PD, compute, progress);
  return model.with_input_rows(rows_PD);
}

std::string Pictures::sha256() const {
  if (files_.empty()) return "";
  Sha256 hash;
  for (const fs::path& file : files_) hash.add(mop::sha256(read_file(file)));
  return hash.hex();
}

}  // namespace mop
