// jobs/export_model.cc
#include "jobs/export_model.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file_error.h"
#include "base/files.h"
#include "base/temporary.h"
#include "export/formats.h"
#include "export/hf_per_layer.h"
#include "run/open_model.h"
#include "run/result_plan.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

void check_dtype(const ExportFormat& format, const std::string& dtype) {
  if (dtype.empty() || std::ranges::find(format.dtypes, dtype) != format.dtypes.end()) return;
  if (format.dtypes.empty()) {
    throw usage_error("the format '{}' keeps stored dtypes and does not support --dtype",
                      format.name);
  }
  throw usage_error("unknown dtype '{}' of the format '{}'", dtype, format.name)
      .hint(fmt::format("known: {}", fmt::join(format.dtypes, ", ")));
}

void check_free(const ExportFormat& format, const ExportJob& job) {
  if (!fs::exists(job.out)) return;
  if (fs::is_directory(job.out)) {
    throw bad_input("--out is an existing folder").where("out", job.out.string());
  }
  if (!fs::is_regular_file(job.out)) {
    throw bad_input("--out is not a regular file").where("out", job.out.string());
  }
  if (format.folder || !job.force) {
    throw bad_input("the output file exists")
        .where("out", job.out.string())
        .hint("use --force to replace it");
  }
  if (fs::equivalent(job.out, job.model)) {
    throw bad_input("--out is the model itself").where("out", job.out.string());
  }
}

// A temporary folder beside the output. The next export recognises it as abandoned if this process
// was killed. Removed with the object.
class Unfinished {
 public:
  explicit Unfinished(const fs::path& out) : out_(out) {
    folder_ = temporary_neighbour(out);
    lock_ = make_temporary_folder(folder_);
    if (lock_ < 0) throw file_error("write", out, errno);
  }
  ~Unfinished() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    ::close(lock_);
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  /// The file or folder to write.
  fs::path path() const { return folder_ / out_.filename(); }
  void finish() {
    if (::rename(path().c_str(), out_.c_str()) != 0) throw file_error("write", out_, errno);
    sync_path(out_.has_parent_path() ? out_.parent_path() : ".");
  }

 private:
  fs::path out_, folder_;
  int lock_ = -1;
};

int64_t bytes_of(const fs::path& path) {
  if (fs::is_regular_file(path)) return static_cast<int64_t>(fs::file_size(path));
  int64_t bytes = 0;
  for (const auto& item : fs::recursive_directory_iterator(path)) {
    if (item.is_regular_file()) bytes += static_cast<int64_t>(item.file_size());
  }
  return bytes;
}

// llama.cpp needs a second file for images, which is usually made from the dense model.
void check_tower(const ExportFormat& format, const ExportJob& job, const Model& model) {
  if (format.folder || model.tower() == nullptr) return;
  const std::optional<PrunePlan> plan = plan_in(job.model);
  const bool cut_here = plan && cuts_tower(*plan);
  if (!cut_here && !tower_needs_code(model.config())) return;
  throw bad_input(
      "the vision tower of this model is pruned, so llama.cpp's file of the dense tower (mmproj) "
      "does not fit it")
      .where("model", job.model.string())
      .hint("use --format hf, or prune only the language model, which works with the dense mmproj");
}

}  // namespace

Json export_model(const ExportJob& job, Progress& progress) {
  const ExportFormat& format = find_format(job.format);
  check_dtype(format, job.dtype);
  fs::path out = job.out;
  if (!out.has_filename()) out = out.parent_path();  // "folder/"
  remove_left_neighbours(out);
  check_free(format, job);
  if (out.has_parent_path() && !fs::is_directory(out.parent_path())) {
    throw io_error("there is no such folder").where("folder", out.parent_path().string());
  }
  const Model model = open_model(job.model, job.adapter, progress);
  check_tower(format, job, model);
  Unfinished unfinished(out);
  if (format.folder) fs::create_directory(unfinished.path());
  const ExportResult result = format.write(model, unfinished.path(), job.dtype, progress);
  unfinished.finish();
  return {{"format", format.name},
          {"out", job.out.string()},
          {"bytes", bytes_of(out)},
          {"logits_difference", result.logits_difference},
          {"notes", result.notes}};
}

}  // namespace mop
