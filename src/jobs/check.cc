// jobs/check.cc
#include "jobs/check.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/build_info.h"
#include "base/error.h"
#include "base/stopwatch.h"
#include "jobs/outside_reader.h"
#include "model/composite.h"
#include "model/forward.h"
#include "model/generate.h"
#include "run/open_model.h"
#include "run/run_log.h"
#include "run/runtime.h"
#include "text/gguf_vocabulary.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"
#include "vision/drawn_picture.h"
#include "vision/image_encoder.h"
#include "vision/image_prompt.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

CheckedFormat format_of(const CheckJob& job) {
  if (!job.adapter.empty()) return CheckedFormat::kAdapter;
  return fs::is_directory(job.model) ? CheckedFormat::kFolder : CheckedFormat::kGguf;
}

void check_finite(const Checkpoint& checkpoint, Progress& progress) {
  progress.begin("reading every tensor", checkpoint.bytes());
  int64_t done = 0;
  for (const std::string& name : checkpoint.names()) {
    check_stop();
    const at::Tensor value = checkpoint.tensor(name);
    if (value.is_floating_point() && !at::isfinite(value).all().item<bool>()) {
      throw bad_input("tensor {} has values that are not finite", name)
          .where("model", checkpoint.folder().string());
    }
    done += static_cast<int64_t>(value.nbytes());
    progress.advance(done);
  }
  progress.end();
}

// Without a tokenizer, arbitrary ids are used.
std::vector<int64_t> prompt_ids(const CheckJob& job, const Tokenizer* tokenizer, int64_t vocab) {
  if (tokenizer != nullptr) {
    std::vector<int64_t> ids = tokenizer->encode(job.prompt, Special::kDefault);
    if (!ids.empty()) return ids;
  }
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 12; ++i) ids.push_back((37 * i + 5) % vocab);
  return ids;
}

std::shared_ptr<const Tokenizer> tokenizer_if_any(const Checkpoint& checkpoint) {
  const fs::path& model = checkpoint.folder();
  if (checkpoint.gguf() != nullptr) {
    const bool none = tokenizer_files_of(vocabulary_of_gguf(*checkpoint.gguf())).empty();
    return none ? nullptr : open_tokenizer(model);
  }
  return tokenizer_files_in(model).empty() ? nullptr : open_tokenizer(model);
}

/// A prompt with ids of an image's rows, and the model with these rows.
struct Shown {
  Model model;
  std::vector<int64_t> ids;
};

// The image follows the prompt's first token, which is BOS if the tokenizer adds one.
Shown show_picture(const Model& model, const Compute& compute, OurAnswer& ours,
                   Progress& progress) {
  if (!ImageEncoder::can_encode_for(model)) return {model, ours.ids};
  const Composite& composite = *model.config().composite;
  const ImageEncoder encoder(model);
  const Picture picture = drawn_picture(2 * composite.vision.image, composite.vision.image + 5);
  ours.pixels_13HW = encoder.processor().pixels(picture).contiguous();
  ours.picture_tokens = encoder.rows_per_image();
  std::erase(ours.ids, composite.image_token);
  std::vector<int64_t> ids = ours.ids;
  const std::ptrdiff_t place = ids.empty() ? 0 : 1;
  ids.insert(ids.begin() + place, composite.image_token);
  ours.ids.insert(ours.ids.begin() + place, static_cast<size_t>(ours.picture_tokens),
                  composite.image_token);
  const std::vector<int64_t> numbers = {0};
  return {model.with_input_rows(encoder.encode(std::span(&picture, 1), compute, progress)),
          expand_images(ids, numbers,
                        {.placeholder = composite.image_token,
                         .vocab = model.config().vocab,
                         .rows_per_image = ours.picture_tokens})};
}

OurAnswer compute_ours(const CheckJob& job, const Model& model, Progress& progress) {
  const at::NoGradGuard no_gradient;
  const ModelConfig& config = model.config();
  const auto tokenizer = tokenizer_if_any(model.checkpoint());
  OurAnswer ours;
  ours.tokenizer = tokenizer != nullptr;
  ours.ids = prompt_ids(job, tokenizer.get(), config.vocab);
  if (tokenizer && tokenizer->encode(job.prompt, Special::kDefault) == ours.ids)
    ours.prompt = job.prompt;
  ours.text_ids = ours.ids;
  const Compute compute = open_compute("cpu", job.dtype);
  const Shown shown = show_picture(model, compute, ours, progress);
  WeightLoader weights(shown.model, compute, WeightLoader::Keep::kAll);
  const int64_t length = std::ssize(shown.ids);
  const at::Tensor ids_N = at::tensor(shown.ids, at::kLong);
  const at::Tensor hidden_ND = run_layers(weights, ids_N, {{length}, {}});
  ours.logits_NV = logits(weights.globals(), config, hidden_ND).to(at::kFloat).contiguous();
  if (!at::isfinite(ours.logits_NV).all().item<bool>()) {
    throw bad_input("the logits are not finite").where("model", job.model.string());
  }
  GenerateOptions options;
  options.max_new_tokens =
      std::max<int64_t>(0, std::min(job.new_tokens, config.longest() - length));
  if (options.max_new_tokens == 0 && job.new_tokens > 0) {
    throw bad_input(
        "a prompt of {} tokens leaves no room for a new one in the model's context of {}", length,
        config.longest())
        .hint("give a shorter --prompt");
  }
  if (options.max_new_tokens < job.new_tokens) {
    progress.warn(fmt::format("the context leaves room for {} new tokens of {}",
                              options.max_new_tokens, job.new_tokens));
  }
  const Stopwatch watch;
  ours.greedy = generate(weights, shown.ids, options);
  ours.tokens_per_second = static_cast<double>(ours.greedy.size()) / watch.seconds();
  if (tokenizer) ours.text = tokenizer->decode(ours.greedy);
  return ours;
}

std::vector<const OutsideReader*> readers_to_ask(const CheckJob& job, CheckedFormat format) {
  std::vector<const OutsideReader*> rows;
  for (const std::string& name : job.with) rows.push_back(&find_outside_reader(name));
  if (!job.with.empty()) return rows;
  for (const OutsideReader& row : all_outside_readers()) {
    const bool reads = std::ranges::find(row.reads, format) != row.reads.end();
    if (reads && !row.only_by_name) rows.push_back(&row);
  }
  return rows;
}

// A single adapter folder is checked on its base model.
CheckJob with_base(CheckJob job) {
  if (!job.adapter.empty() || !fs::exists(job.model / "adapter_config.json") ||
      fs::exists(job.model / "config.json")) {
    return job;
  }
  job.adapter = job.model;
  job.model = adapter_base(job.adapter);
  if (fs::exists(job.model)) return job;
  throw usage_error("the adapter's base model was not found: '{}'", job.model.string())
      .where("adapter", job.adapter.string())
      .hint("mop check MODEL --adapter DIR");
}

}  // namespace

Json check(const CheckJob& given, Progress& progress) {
  const CheckJob job = with_base(given);
  const CheckedFormat format = format_of(job);
  const auto asked = readers_to_ask(job, format);
  Model model = open_dense(job.model, progress);
  check_finite(model.checkpoint(), progress);
  if (!job.adapter.empty())
    model = with_adapter(model, job.adapter, dtype_from_name(job.dtype), progress);
  const OurAnswer ours = compute_ours(job, model, progress);
  Json rows = Json::array();
  rows.push_back({{"reader", "mop"},
                  {"version", mop_version()},
                  {"status", "loads"},
                  {"logits_difference", nullptr},
                  {"greedy_equal", nullptr},
                  {"tokens_per_second", ours.tokens_per_second},
                  {"detail", "every tensor read, all finite"}});
  bool ok = true;
  for (const OutsideReader* reader : asked) {
    check_stop();
    rows.push_back(ask_outside_reader(*reader, job, format, model, ours, progress));
    ok = ok && rows.back()["status"] != "fails" && rows.back()["status"] != "differs";
  }
  check_mappings();
  return {{"model", job.model.string()},
          {"format", format_name(format)},
          {"dtype", job.dtype},
          {"prompt_tokens", ours.ids.size()},
          {"picture_tokens", ours.picture_tokens},
          {"new_tokens", ours.greedy.size()},
          {"text", ours.text},
          {"ok", ok},
          {"readers", rows}};
}

}  // namespace mop
