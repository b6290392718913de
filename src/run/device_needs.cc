// run/device_needs.cc
#include "run/device_needs.h"

#include <algorithm>

#include "base/error.h"
#include "eval/packed_groups.h"
#include "eval/validation.h"
#include "gradient/training_pass.h"
#include "model/family.h"
#include "model/forward.h"
#include "report/table.h"
#include "run/needs.h"
#include "tensor/device.h"

namespace mop {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// Bytes of logits computed at a time: about ten tensors of 256 MiB to compare models, five of 512
// MiB to train.
constexpr int64_t kComparedLogits = 256 * kMiB, kComparedTensors = 10;
constexpr int64_t kTrainedLogits = 512 * kMiB, kTrainedTensors = 5;
// Activations kept in training if the recipe does not set it.
constexpr double kActivationGib = 2;

int64_t bytes_of(DType dtype) { return static_cast<int64_t>(dtype_bytes(dtype)); }

// Streamed weights needed at a time: the current layer, the next one, one with gathered rows, and
// all tensors outside the layers.
DeviceNeeds weights_of(const ModelConfig& config, DType dtype) {
  const int64_t all = language_parameters(config), layers = block_parameters(config);
  const int64_t element = bytes_of(dtype);
  const int64_t least = std::min(layers, 3 * largest_layer(config)) + all - layers;
  return {all * element, least * element, 0, 0};
}

// Temporaries of a layer for `tokens` tokens.
int64_t layer_work(const ModelConfig& config, DType dtype, int64_t tokens) {
  return tokens * widest_elements(config) * bytes_of(dtype);
}

// float32 copies of the outputs of heads or neurons, whose absolute values are summed.
int64_t statistics_work(const ModelConfig& config, int64_t tokens) {
  return tokens * widest_inputs(config) * 2 * static_cast<int64_t>(sizeof(float));
}

int64_t kv_cache_bytes_a_token(const ModelConfig& config, DType dtype) {
  int64_t values = 0;
  for (const LayerShape& shape : config.layers) values += 2 * shape.kv_heads * shape.head_dim;
  return values * bytes_of(dtype);
}

}  // namespace

DeviceNeeds DeviceNeeds::beside(const DeviceNeeds& other) const {
  return {weights + other.weights, least_weights + other.least_weights, std::max(work, other.work),
          std::max(least_work, other.least_work)};
}

DeviceNeeds pruning_device_needs(const ModelConfig& config, DType dtype, int64_t calibration_tokens,
                                 int64_t validation_tokens, int64_t candidates) {
  const int64_t row = config.hidden * bytes_of(dtype);
  const int64_t group =
      std::min(validation_tokens, group_tokens(config, {dtype, c10::Device(c10::kCUDA)}) / 4);
  const int64_t reference = std::min(ValidatorOptions().reference_bytes, validation_tokens * row);
  const int64_t logits =
      kComparedTensors * std::min(kComparedLogits, group * config.vocab * bytes_of(dtype));
  const auto work = [&](int64_t piece) {
    const int64_t gathering = std::min(piece, calibration_tokens);
    const int64_t statistics = calibration_tokens * row + layer_work(config, dtype, gathering) +
                               statistics_work(config, gathering);
    // The hidden states of every candidate and of the dense model, and a copy where they diverge.
    const int64_t validation = (candidates + 2) * group * row +
                               std::max(layer_work(config, dtype, std::min(piece, group)), logits);
    return std::max(statistics, reference + validation);
  };
  DeviceNeeds needs = weights_of(config, dtype);
  needs.work = work(kMostDevicePiece);
  needs.least_work = work(kLeastDevicePiece);
  return needs;
}

DeviceNeeds second_moment_device_needs(const ModelConfig& config, DType dtype,
                                       int64_t calibration_tokens) {
  constexpr int64_t kStreams = 4, kTaped = 4, kFloat = sizeof(float);
  const int64_t widest = widest_inputs(config);
  const int64_t moments = widest * (2 * widest + config.hidden) * kFloat;
  const auto work = [&](int64_t piece) {
    const int64_t tokens = std::min(piece, calibration_tokens);
    return kStreams * calibration_tokens * config.hidden * bytes_of(dtype) + moments +
           std::max(layer_work(config, dtype, tokens) + statistics_work(config, tokens),
                    kTaped * layer_work(config, dtype, tokens / kTaped));
  };
  DeviceNeeds needs = weights_of(config, dtype);
  needs.work = work(kMostDevicePiece);
  needs.least_work = work(kLeastDevicePiece);
  return needs;
}

DeviceNeeds decoding_device_needs(const ModelConfig& config, DType dtype, int64_t sequences,
                                  int64_t tokens) {
  const int64_t all = sequences * tokens;
  const int64_t kept = all * kv_cache_bytes_a_token(config, dtype) +
                       all * config.hidden * bytes_of(dtype) +
                       sequences * config.vocab * (bytes_of(dtype) + int64_t{sizeof(float)});
  DeviceNeeds needs = weights_of(config, dtype);
  needs.work = kept + layer_work(config, dtype, std::min(all, kMostDevicePiece));
  needs.least_work = kept + layer_work(config, dtype, std::min(all, kLeastDevicePiece));
  return needs;
}

DeviceNeeds training_device_needs(const RecoverRecipe& recipe, const ModelConfig& config,
                                  DType dtype, const ModelConfig* teacher) {
  const int64_t element = bytes_of(dtype);
  const bool low_rank = recipe.low_rank();
  const int64_t trained =
      low_rank ? lora_numbers(config, recipe.lora) : language_parameters(config);
  // Values, gradients and two moving averages in float32, and the copy in the compute dtype.
  int64_t kept = trained * (16 + (dtype == at::kFloat ? 0 : element));
  // Gradients with respect to one layer's weights and the head.
  if (!low_rank) kept += (largest_layer(config) + config.vocab * config.hidden) * element;
  const int64_t layers = std::max<int64_t>(1, std::ssize(config.layers));
  const auto allowed = static_cast<int64_t>(
      (recipe.activation_gib < 0 ? kActivationGib : recipe.activation_gib) * 1024. * kMiB);
  // One layer's activations are always kept; those of the others up to the recipe's limit.
  const auto work = [&](int64_t piece, int64_t most_activations) {
    const int64_t all = piece * activation_bytes(config, dtype);
    const int64_t activations = std::max(all / layers, std::min(all, most_activations));
    const int64_t inputs = piece * layers * config.hidden * element;
    const int64_t logits = kTrainedTensors * std::min(kTrainedLogits, piece * config.vocab * 4);
    return kept + activations + inputs + std::max(logits, 2 * layer_work(config, dtype, piece));
  };
  DeviceNeeds needs = low_rank ? weights_of(config, dtype) : DeviceNeeds{};
  if (teacher != nullptr) needs = needs.beside(weights_of(*teacher, dtype));
  const int64_t given = recipe.train.piece_tokens;
  needs.work = work(given > 0 ? given : kMostPieceTokens, allowed);
  needs.least_work = work(given > 0 ? given : kLeastDevicePiece, 0);
  return needs;
}

std::string check_device_memory(const DeviceNeeds& needs, const Compute& compute) {
  const std::optional<DeviceMemory> memory = device_memory(compute.device);
  if (!memory) return "";
  const std::string free = short_bytes(memory->free_bytes);
  if (needs.streaming() > memory->free_bytes) {
    throw io_error("this needs about {} of the device's memory, but {} are free",
                   short_bytes(needs.streaming()), free)
        .where("device",
               fmt::format("{}, {} in all", compute.device.str(), short_bytes(memory->total_bytes)))
        .where("weights", fmt::format("{} in {}, {} of them at a time when streamed",
                                      short_bytes(needs.weights), dtype_name(compute.dtype),
                                      short_bytes(needs.least_weights)))
        .where("other", short_bytes(needs.least_work) + " at least")
        .hint(
            "use --dtype bfloat16, fewer or shorter samples, a smaller --batch, a larger "
            "MOP_DEVICE_MEMORY if it is set, or --device cpu; or free memory of other programs");
  }
  const int64_t room =
      compute.store != nullptr ? compute.store->budget_bytes() : memory->free_bytes;
  if (needs.weights <= room) return "";
  return fmt::format("weights are streamed: {} do not fit into {} of the device",
                     short_bytes(needs.weights), short_bytes(room));
}

Json to_json(const DeviceNeeds& needs) {
  return {{"weights_bytes", needs.weights},
          {"resident_bytes", needs.resident()},
          {"streaming_bytes", needs.streaming()}};
}

Json device_memory_json(const ModelConfig& config) {
  constexpr int64_t kSamples = 128, kSampleTokens = 128, kCandidates = 2;
  const RecoverRecipe lora = recover_recipe({{"method", "lora"}});
  Json json;
  for (const DType dtype : {at::kBFloat16, at::kFloat}) {
    const int64_t tokens = kSamples * kSampleTokens, held_out = tokens / 8;
    Json& row = json[dtype_name(dtype)];
    row["prune"] = to_json(pruning_device_needs(config, dtype, tokens, held_out, kCandidates));
    row["decode"] = to_json(decoding_device_needs(config, dtype, 1, config.context));
    row["decode"]["tokens"] = config.context;
    row["lora"] = to_json(training_device_needs(lora, config, dtype, nullptr));
  }
  return json;
}

std::vector<std::pair<std::string, std::string>> device_memory_lines(const Json& device_memory) {
  const auto bytes = [](const Json& needs, const char* key) {
    return short_bytes(needs[key].get<int64_t>());
  };
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [dtype, row] : device_memory.items()) {
    const auto both = [&, &row = row](const char* job) {
      return fmt::format("{} ({})", bytes(row[job], "resident_bytes"),
                         bytes(row[job], "streaming_bytes"));
    };
    lines.emplace_back(
        "GPU, " + dtype,
        fmt::format(
            "about {} to prune, {} to decode {} tokens, {} for LoRA; in brackets when weights "
            "stream",
            both("prune"), both("decode"), with_commas(row["decode"]["tokens"]), both("lora")));
  }
  return lines;
}

}  // namespace mop
