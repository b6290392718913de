#include "jobs/eval_text.h"

#include "base/error.h"
#include "eval/perplexity.h"
#include "report/table.h"
#include "run/describe.h"
#include "run/eval_overlap.h"
#include "run/manifest.h"
#include "run/open_model.h"
#include "run/runtime.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

// Checks that the dense model's tokenizer gives the same tokens.
void check_same_tokens(const EvalTextJob& job, const ScoredText& ours, const Tokenizer& theirs,
                       TextContext context) {
  if (theirs.fingerprint() == ours.tokenizer_sha256) return;
  const ScoredText other = read_scored_text(job.text, theirs, job.protocol, context, job.limit);
  size_t same = 0;
  const size_t least = std::min(ours.sequences.size(), other.sequences.size());
  while (same < least && ours.sequences[same].ids == other.sequences[same].ids) ++same;
  if (same == ours.sequences.size() && same == other.sequences.size()) return;
  throw bad_input("the two models' tokenizers give different tokens, first in sequence {} of {}",
                  same + 1, ours.sequences.size())
      .where("model", job.model.string())
      .where("--vs", job.versus.string())
      .hint(
          "distributions over different tokens cannot be compared; evaluate the models separately "
          "with "
          "--protocol word, which is normalised by words");
}

// Evaluates one or two models on the same token sequences.
class TextEvaluation {
 public:
  TextEvaluation(const EvalTextJob& job, Progress& progress)
      : job_(job),
        progress_(progress),
        compute_(open_compute(job.compute.device, job.compute.dtype)),
        model_(open_model(job.model, job.adapter, progress, compute_.dtype)) {}

  Json run() {
    const KnownLines known(job_.model, job_.calibration, progress_);
    return job_.versus.empty() ? alone(known) : beside(known);
  }

 private:
  Json alone(const KnownLines& known) {
    const ScoredText text = read(TextContext(model_.config()));
    check_ranks(text, nullptr);
    const Json overlap = known.check(text.texts, "the text", progress_);
    WeightLoader weights(model_, compute_);
    const PerplexityResult result = evaluate_text(weights, text, progress_, *job_.compute.ranks);
    check_mappings();
    return with_overlap(to_json(result), overlap);
  }

  Json beside(const KnownLines& known) {
    const Model dense = open_dense(job_.versus, progress_);
    const TextContext ours(model_.config()), theirs(dense.config());
    TextContext context = std::min(ours.tokens, theirs.tokens);
    context.longest = std::min(ours.longest, theirs.longest);
    const ScoredText text = read(context);
    check_ranks(text, &dense);
    check_same_tokens(job_, text, *open_tokenizer(job_.versus), context);
    const Json overlap = known.check(text.texts, "the text", progress_);
    WeightLoader weights(model_, compute_), dense_weights(dense, compute_);
    const SideBySide both =
        compare_on_text(weights, dense_weights, text, progress_, *job_.compute.ranks);
    check_mappings();
    Json json = to_json(both.model);
    json["kl"] = both.kl;
    json["top1_agreement"] = both.agreement;
    json["perplexity_ratio"] = both.model.perplexity / both.dense.perplexity;
    json["model"] = column(job_.model, both.model);
    json["dense"] = column(job_.versus, both.dense);
    return with_overlap(std::move(json), overlap);
  }

  void check_ranks(const ScoredText& text, const Model* dense) const {
    if (job_.compute.ranks->size() == 1) return;
    Json json = job_manifest(model_, nullptr);
    json["tokenizer"] = {{"sha256", text.tokenizer_sha256}};
    json["adapter"] = adapter_fingerprint(job_.adapter);
    json["text"] = {{"sha256", text.text_sha256}};
    json["eval"] = {{"protocol", text.protocol}, {"limit", text.limit}};
    if (dense != nullptr) json["versus"] = dense->checkpoint().fingerprint();
    json["compute"] = compute_manifest(job_.compute.device, compute_.dtype);
    check_same_inputs(json, *job_.compute.ranks, progress_);
  }

  ScoredText read(TextContext context) const {
    return read_scored_text(job_.text, *open_tokenizer(job_.model), job_.protocol, context,
                            job_.limit);
  }

  static Json column(const fs::path& folder, const PerplexityResult& result) {
    Json json = model_sizes(folder);
    json["perplexity"] = result.perplexity;
    json["nll"] = result.nll;
    if (result.words) {
      json["word_perplexity"] = result.perplexity;
      json["byte_perplexity"] = result.words->byte_perplexity;
      json["bits_per_byte"] = result.words->bits_per_byte;
    }
    return json;
  }

  static Json with_overlap(Json json, const Json& overlap) {
    if (!overlap.is_null()) json["overlap"] = overlap;
    return json;
  }

  const EvalTextJob& job_;
  Progress& progress_;
  const Compute compute_;
  const Model model_;
};

std::string number(const Json& value, const char* format) {
  return fmt::format(fmt::runtime(format), value.get<double>());
}

std::string stamp(const Json& result) {
  const std::string tokens = with_commas(result["scored_tokens"].get<int64_t>());
  std::string documents = with_commas(result["documents"].get<int64_t>()) + " documents";
  if (const auto left_out = result.value("left_out", int64_t{0}); left_out > 0) {
    documents += fmt::format(", limited by --limit {}: {} are left out",
                             result["limit"].get<int64_t>(), with_commas(left_out));
  }
  if (const auto cut = result.value("cut_documents", int64_t{0}); cut > 0) {
    documents +=
        fmt::format("; {} are longer than the context and lose {} tokens (windows:N scores all)",
                    with_commas(cut), with_commas(result["cut_tokens"].get<int64_t>()));
  }
  return facts({{"protocol", result["protocol"]},
                {"scored", fmt::format("{} tokens of {}", tokens, documents)},
                {"bos", result["bos"]},
                {"dtype", result["dtype"]},
                {"text", "sha256 " + result["text_sha256"].get<std::string>()},
                {"tokenizer", "sha256 " + result["tokenizer_sha256"].get<std::string>()}});
}

std::string figures_alone(const Json& result) {
  const bool words = result.contains("word_perplexity");
  std::vector<std::pair<std::string, std::string>> lines = {
      {words ? "word perplexity" : "perplexity", number(result["perplexity"], "{:.4f}")}};
  if (words) {
    lines.emplace_back("byte perplexity", number(result["byte_perplexity"], "{:.4f}"));
    lines.emplace_back("bits per byte", number(result["bits_per_byte"], "{:.4f}"));
  }
  lines.emplace_back("nll",
                     number(result["nll"], "{:.6f}") + " nats a " + (words ? "word" : "token"));
  return facts(lines);
}

std::string ratio(const Json& a, const Json& b) {
  return fmt::format("{:.4f}", a.get<double>() / b.get<double>());
}

std::string figures_beside(const Json& result) {
  const Json &model = result["model"], &dense = result["dense"];
  Table table({"", "dense", "model", "model / dense"});
  const auto size = [&](const char* name, const char* key) {
    table.add({name, with_commas(dense[key].get<int64_t>()), with_commas(model[key].get<int64_t>()),
               ratio(model[key], dense[key])});
  };
  const auto figure = [&](const char* name, const char* key) {
    if (!model.contains(key)) return;
    table.add({name, number(dense[key], "{:.4f}"), number(model[key], "{:.4f}"),
               ratio(model[key], dense[key])});
  };
  figure(model.contains("word_perplexity") ? "word perplexity" : "perplexity", "perplexity");
  figure("byte perplexity", "byte_perplexity");
  figure("bits per byte", "bits_per_byte");
  size("parameters", "parameters");
  size("  in layers", "block_parameters");
  size("bytes of weights", "bytes");
  size("KV cache bytes/token", "kv_cache_bytes_per_token");
  return table.text() +
         facts({{"KL(dense || model)", number(result["kl"], "{:.6f}") + " nats a token"},
                {"top-1 agreement", percent(result["top1_agreement"].get<double>())}});
}

}  // namespace

Json model_sizes(const fs::path& model) {
  const Json all = inspect(model);
  Json sizes = {{"path", model.string()}};
  for (const char* key :
       {"family", "parameters", "block_parameters", "bytes", "kv_cache_bytes_per_token", "shape"}) {
    sizes[key] = all[key];
  }
  return sizes;
}

Json evaluate(const EvalTextJob& job, Progress& progress) {
  if (job.limit < 0) throw usage_error("--limit is {}, expected 1 or more", job.limit);
  return TextEvaluation(job, progress).run();
}

std::string text_table(const Json& result) {
  return (result.contains("dense") ? figures_beside(result) : figures_alone(result)) +
         stamp(result);
}

}  // namespace mop
