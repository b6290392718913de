// pipeline/outside_reader.h -- what the readers installed here make of a checkpoint: one table,
// each asked in a process of its own.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "model/model.h"
#include "pipeline/check.h"

namespace mop {

enum class CheckedFormat { kFolder, kGguf, kAdapter };
/// hf, gguf, peft.
std::string format_name(CheckedFormat format);

struct OutsideReader {
  std::string_view name;
  std::string_view module;  ///< as Python imports it
  std::vector<CheckedFormat> reads;
  double tolerance_float32, tolerance_bfloat16;  ///< of the logits
  bool by_gguf = false;  ///< of a folder it is given a .gguf file, when it is asked for by name
  bool only_by_name = false;  ///< never asked unless it is: it starts slowly
  bool sees = false;          ///< it is given the prompt's picture
};

std::span<const OutsideReader> all_outside_readers();
/// Throws Error(kUsage), listing the known names.
const OutsideReader& find_outside_reader(const std::string& name);

/// What our own reader computes, which the others are compared with.
struct OurAnswer {
  bool tokenizer = false;
  std::vector<int64_t> ids;  ///< the prompt's, the image token in the place of each of its rows
  std::vector<int64_t> greedy;
  std::string prompt;             ///< a text, empty when the ids are none's;
  std::vector<int64_t> text_ids;  ///< its ids, without a picture's
  at::Tensor pixels_13HW;         ///< of the prompt's picture, float32; none = there is none
  int64_t picture_tokens = 0;
  at::Tensor logits_NV;  ///< float32
  std::string text;
  double tokens_per_second = 0;
};

/// The row of one reader (`check`): whatever it does is a row.
Json ask_outside_reader(const OutsideReader& reader, const CheckJob& job, CheckedFormat format,
                        const Model& model, const OurAnswer& ours, Progress& progress);

}  // namespace mop
