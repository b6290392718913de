// export/hf_writer.cc
#include "export/hf_writer.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/amounts.h"
#include "base/file_error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "base/read_values.h"
#include "checkpoint/checkpoint.h"
#include "export/hf_composite.h"
#include "export/hf_layout.h"
#include "export/hf_per_layer.h"
#include "export/hf_tokenizer.h"
#include "tensor/mapped_file.h"
#include "text/gguf_vocabulary.h"
#include "text/sentencepiece_json.h"
#include "text/tokenizer_files.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

const std::map<std::string, std::string> kMetadata = {{"format", "pt"}};
// Upper estimate for config, index, model card, a generated tokenizer.json and file system
// overhead.
constexpr int64_t kSmallFiles = 16 << 20;

int64_t bytes_needed(const Model& model, const std::vector<Shard>& shards) {
  size_t bytes = 0;
  for (const Shard& shard : shards)
    bytes += SafetensorsWriter::file_bytes(shard.specs(), kMetadata);
  const fs::path& source = model.checkpoint().folder();
  for (const std::string& name : copied_files(source)) bytes += fs::file_size(source / name);
  return static_cast<int64_t>(bytes) + kSmallFiles;
}

void check_room(const fs::path& folder, int64_t needed) {
  const std::optional<int64_t> free = free_disk_bytes(folder);
  if (!free || *free >= needed) return;
  throw io_error("the disk has {} free, but {} are needed", short_bytes(*free), short_bytes(needed))
      .where("folder", folder.string())
      .hint("free some space or choose another --out");
}

// Records the files of this call and removes them unless it succeeds.
class Written {
 public:
  explicit Written(fs::path folder) : folder_(std::move(folder)) {}
  ~Written() {
    std::error_code ignored;
    for (const fs::path& file : files_) {
      fs::remove(file, ignored);
      if (file.parent_path() != folder_) fs::remove(file.parent_path(), ignored);  // if empty
    }
  }
  fs::path add(const std::string& name) {
    const fs::path file = folder_ / name;
    if (file.parent_path() != folder_) fs::create_directories(file.parent_path());
    return files_.emplace_back(file);
  }
  void keep() { files_.clear(); }

 private:
  fs::path folder_;
  std::vector<fs::path> files_;
};

void write_shards(const Model& model, const std::vector<Shard>& shards, Written& written,
                  Progress& progress) {
  int64_t total = 0, done = 0;
  for (const Shard& shard : shards) {
    for (const PlacedTensor& tensor : shard.tensors)
      total += static_cast<int64_t>(tensor.spec.bytes());
  }
  progress.begin("writing the checkpoint", total);
  for (const Shard& shard : shards) {
    SafetensorsWriter writer(written.add(shard.file), shard.specs(), kMetadata);
    for (const PlacedTensor& tensor : shard.tensors) {
      check_stop();
      writer.write(tensor.value(model));
      done += static_cast<int64_t>(tensor.spec.bytes());
      progress.advance(done);
    }
    writer.finish();
  }
  progress.end();
}

Json make_index(const std::vector<Shard>& shards) {
  std::map<std::string, std::string> weight_map;
  size_t bytes = 0;
  int64_t parameters = 0;
  for (const Shard& shard : shards) {
    for (const PlacedTensor& tensor : shard.tensors) {
      weight_map[tensor.spec.name] = shard.file;
      bytes += tensor.spec.bytes();
      parameters += static_cast<int64_t>(tensor.spec.bytes() / dtype_bytes(tensor.spec.dtype));
    }
  }
  return {{"metadata", {{"total_parameters", parameters}, {"total_size", bytes}}},
          {"weight_map", weight_map}};
}

std::string card_with_note(const Model& model, std::string card) {
  const std::string note = reader_note(model.config());
  if (card.empty() || note.empty()) return card;
  return card + (card.ends_with('\n') ? "\n" : "\n\n") + "Note: " + note + ".\n";
}

// transformers 4 finds the tokenizer of a model type that it does not know by a class's name alone.
void name_tokenizer_class(const fs::path& folder, const Family& family, Json& config) {
  if (config.contains("tokenizer_class") || tokenizer_files_in(folder).empty()) return;
  const fs::path file = folder / "tokenizer_config.json";
  const Json known = fs::exists(file) ? try_parse_json(read_file(file)).value_or(Json()) : Json();
  if (!part_of(known, "tokenizer_class").is_null()) return;
  config["tokenizer_class"] = family.tokenizer_class;
}

}  // namespace

void write_hf(const Model& model, const fs::path& folder, const HfWriteOptions& options,
              Progress& progress) {
  Json config = hf_config(model);
  if (!fs::is_directory(folder))
    throw io_error("there is no such folder").where("folder", folder.string());
  const std::vector<Shard> shards = lay_out(model, options.shard_bytes);
  check_room(folder, bytes_needed(model, shards));
  Written written(folder);
  write_shards(model, shards, written, progress);
  if (shards.size() > 1) {
    write_file(written.add("model.safetensors.index.json"), to_text(make_index(shards)));
  }
  const fs::path& source = model.checkpoint().folder();
  for (const std::string& name : copied_files(source)) {
    const std::string text = read_file(source / name);
    const bool config = name == "tokenizer_config.json";
    write_file(written.add(name), config ? portable_tokenizer_config(text) : text);
  }
  if (const GgufFile* file = model.checkpoint().gguf()) {
    for (const auto& [name, text] : tokenizer_files_of(vocabulary_of_gguf(*file))) {
      write_file(written.add(name), text);
    }
  }
  const Family& family = *model.config().family;
  if (const auto code = code_beside(config, family)) {
    write_file(written.add(code->file), code->text);
    name_tokenizer_class(folder, family, config);
  }
  if (!language_model_needs_code(model.config()) &&
      language_section(config)["model_type"] != family.model_type) {
    const std::string tokenizer = sentencepiece_as_json(folder);
    if (!tokenizer.empty()) write_file(written.add("tokenizer.json"), tokenizer);
  }
  if (!options.model_card.empty()) {
    write_file(written.add("README.md"), card_with_note(model, options.model_card));
  }
  // Written last, so that a folder with a config is complete.
  write_file(written.add("config.json"), to_text(config));
  written.keep();
}

void verify_written(const fs::path& folder, const Model& model, Progress& progress) {
  const auto fail = [&](const std::string& what) {
    throw io_error("the written checkpoint differs from the model: {}", what)
        .where("folder", folder.string())
        .hint("check the disk and write again");
  };
  const Model written = Model::open(folder);
  if (written.config().layers != model.config().layers) fail("the layers' sizes differ");
  if (model.tower() != nullptr &&
      written.tower()->config().layers != model.tower()->config().layers) {
    fail("the sizes of the vision tower's layers differ");
  }
  progress.begin("checking the checkpoint", written.checkpoint().bytes());
  int64_t done = 0;
  for (const Shard& shard : lay_out(model, INT64_MAX)) {
    for (const PlacedTensor& tensor : shard.tensors) {
      check_stop();
      const at::Tensor ours = tensor.value(model).contiguous();
      const at::Tensor theirs =
          written.checkpoint().tensor(our_name(written.checkpoint().layout(), tensor.spec.name));
      const size_t bytes = tensor.spec.bytes();
      if (theirs.scalar_type() != ours.scalar_type() || theirs.sizes() != ours.sizes() ||
          std::memcmp(theirs.const_data_ptr(), ours.const_data_ptr(), bytes) != 0) {
        fail(tensor.spec.name + " differs");
      }
      release(ours), release(theirs);  // limits the mapped pages of both files in memory
      done += static_cast<int64_t>(bytes);
      progress.advance(done);
    }
  }
  check_mappings();
  progress.end();
}

int64_t hf_bytes(const Model& model) {
  return bytes_needed(model, lay_out(model, HfWriteOptions().shard_bytes));
}

}  // namespace mop
