// export/gguf_writer.cc
#include "export/gguf_writer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "export/gguf_plan.h"
#include "model/forward.h"

namespace mop {
namespace {

constexpr int64_t kProbeTokens = 48;
constexpr double kExact = 1e-4, kHalf = 3e-2, kQuantized = 0.25;

// Ids distributed over the vocabulary, the same on every machine.
at::Tensor probe_ids(int64_t vocab, int64_t tokens) {
  at::Tensor ids_N = at::empty({tokens}, at::kLong);
  int64_t* out = ids_N.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < tokens; ++i) out[i] = (i * 7919 + 13) % vocab;
  return ids_N;
}

at::Tensor probe_logits(const Model& model, int64_t tokens) {
  WeightLoader weights(model, {}, WeightLoader::Keep::kOne);
  const at::Tensor hidden_ND =
      run_layers(weights, probe_ids(model.config().vocab, tokens), Packing{{tokens}});
  return logits(weights.globals(), model.config(), hidden_ND).clone();
}

}  // namespace

std::vector<std::string> write_gguf(const Model& model, const std::filesystem::path& file,
                                    std::optional<GgmlType> type, Progress& progress) {
  const GgufPlan plan = plan_gguf(model, type);
  std::vector<GgufTensorSpec> specs;
  int64_t total = 0, done = 0;
  for (const GgufPlannedTensor& tensor : plan.tensors) {
    specs.push_back(tensor.spec);
    total += static_cast<int64_t>(ggml_bytes(tensor.spec.type, tensor.spec.shape));
  }
  GgufWriter writer(file, plan.metadata, specs);
  progress.begin("writing the GGUF file", total);
  for (const GgufPlannedTensor& tensor : plan.tensors) {
    check_stop();
    writer.write(tensor.value(model));
    done += static_cast<int64_t>(ggml_bytes(tensor.spec.type, tensor.spec.shape));
    progress.advance(done);
  }
  writer.finish();
  progress.end();
  return plan.notes;
}

double verify_logits(const Model& model, const std::filesystem::path& written, double tolerance) {
  const at::NoGradGuard no_gradients;
  const Model again = Model::open(written);
  // The context of a written model may be reduced to its window.
  const int64_t tokens = std::min({kProbeTokens, model.config().context, again.config().context});
  const at::Tensor expected = probe_logits(model, tokens), got = probe_logits(again, tokens);
  if (expected.sizes() != got.sizes()) {
    throw io_error("the written model's logits have another shape").where("file", written.string());
  }
  const double difference =
      ((got - expected).abs().max() / expected.abs().max().clamp_min(1e-30)).item<double>();
  if (difference <= tolerance) return difference;
  throw io_error("the written model's logits differ by {:.2e}, allowed {:.0e}", difference,
                 tolerance)
      .where("file", written.string());
}

double logits_tolerance(const Model& model, std::optional<GgmlType> type) {
  if (!type || *type == GgmlType::kF32) return kExact;
  if (*type == GgmlType::kQ8_0) return kQuantized;
  const GlobalTensor& embedding = *global_tensors(model.source_config()).front();
  const DType stored = model.checkpoint().entry(std::string(embedding.name)).dtype;
  return stored == ggml_dtype(*type) ? kExact : kHalf;
}

}  // namespace mop
