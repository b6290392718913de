// export/formats.cc
#include "export/formats.h"

#include "base/named_table.h"
#include "export/gguf_writer.h"
#include "export/hf_writer.h"

namespace mop {
namespace {

constexpr double kSameWeights = 1e-5;

ExportResult write_hf_format(const Model& model, const std::filesystem::path& out, std::string_view,
                             Progress& progress) {
  write_hf(model, out, {}, progress);
  ExportResult result{{}, verify_logits(model, out, kSameWeights)};
  const std::string note = reader_note(model.config());
  if (!note.empty()) result.notes.push_back(note);
  return result;
}

ExportResult write_gguf_format(const Model& model, const std::filesystem::path& out,
                               std::string_view dtype, Progress& progress) {
  std::optional<GgmlType> type;
  if (!dtype.empty()) type = ggml_type(dtype);
  ExportResult result{write_gguf(model, out, type, progress), 0};
  result.logits_difference = verify_logits(model, out, logits_tolerance(model, type));
  return result;
}

}  // namespace

std::span<const ExportFormat> all_formats() {
  static const std::vector<ExportFormat> formats = {
      {.name = "hf",
       .summary = "a Hugging Face folder: config.json, safetensors, tokenizer",
       .folder = true,
       .dtypes = {},
       .write = write_hf_format},
      {.name = "gguf",
       .summary = "a single file for llama.cpp and programs based on it",
       .folder = false,
       .dtypes = {"f32", "f16", "bf16", "q8_0"},
       .write = write_gguf_format},
  };
  return formats;
}

const ExportFormat& find_format(std::string_view name) {
  return find_by_name(all_formats(), name, "format");
}

}  // namespace mop
