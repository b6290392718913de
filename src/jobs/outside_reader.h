// jobs/outside_reader.h -- the table of other programs that read checkpoints; each is run in a
// separate process.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "jobs/check.h"
#include "model/model.h"

namespace mop {

enum class CheckedFormat { kFolder, kGguf, kAdapter };
/// Returns hf, gguf or peft.
std::string format_name(CheckedFormat format);

struct OutsideReader {
  std::string_view name;
  std::string_view module;  ///< Python module
  std::vector<CheckedFormat> reads;
  double tolerance_float32, tolerance_bfloat16;  ///< relative, of the logits
  bool by_gguf = false;       ///< a folder is converted to .gguf for it if it is requested by name
  bool only_by_name = false;  ///< run only if requested by name, since it starts slowly
  bool sees = false;          ///< supports the prompt's image
};

std::span<const OutsideReader> all_outside_readers();
/// Throws Error(kUsage), listing the known names.
const OutsideReader& find_outside_reader(const std::string& name);

/// Results of this program, with which the others are compared.
struct OurAnswer {
  bool tokenizer = false;
  std::vector<int64_t> ids;  ///< of the prompt, with the image token for each image row
  std::vector<int64_t> greedy;
  std::string prompt;             ///< text of the prompt, empty if the model has no tokenizer
  std::vector<int64_t> text_ids;  ///< ids of the text, without image rows
  at::Tensor pixels_13HW;         ///< of the prompt's image, float32; undefined = none
  int64_t picture_tokens = 0;
  at::Tensor logits_NV;  ///< float32
  std::string text;
  double tokens_per_second = 0;
};

/// Runs one reader and returns its row of `check`; failures of the reader are reported in the row.
Json ask_outside_reader(const OutsideReader& reader, const CheckJob& job, CheckedFormat format,
                        const Model& model, const OurAnswer& ours, Progress& progress);

}  // namespace mop
