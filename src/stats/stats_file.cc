// stats/stats_file.cc -- statistics as a safetensors file.
#include <ATen/ATen.h>

#include <charconv>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "stats/layer_stats.h"

namespace mop {
namespace {

// The metadata key that holds the number of prompts or tokens of a statistic.
const char* count_key(const StatRow& row) {
  return row.weighting == Weighting::kTokens ? "tokens" : "prompts";
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw bad_input("{}", what).where("statistics", path.string());
}

int64_t to_number(std::string_view text, const std::filesystem::path& path) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    refuse(path, fmt::format("expected a number, got '{}'", text));
  }
  return value;
}

// "head-output-l1.3" -> {statistic, 3}
std::pair<Stat, int64_t> parse_name(const std::string& name, const std::filesystem::path& path) {
  const size_t dot = name.rfind('.');
  for (const StatRow& row : all_statistics()) {
    if (dot != name.npos && row.name == name.substr(0, dot)) {
      return {row.stat, to_number(std::string_view(name).substr(dot + 1), path)};
    }
  }
  refuse(path, fmt::format("'{}' is not a statistic of a layer", name));
}

}  // namespace

void write_stats(const std::filesystem::path& path, std::span<const LayerStats> layers) {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const auto& [stat, sum_U] : layers[i].sums()) {
      tensors[fmt::format("{}.{}", stat_row(stat).name, i)] = layers[i].mean(stat, sum_U.numel());
      metadata[count_key(stat_row(stat))] = std::to_string(layers[i].count(stat));
    }
  }
  write_safetensors(path, tensors, metadata);
}

std::vector<LayerStats> read_stats(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto count_of_row = [&](const StatRow& row) {
    const auto found = file.metadata().find(count_key(row));
    if (found == file.metadata().end()) {
      refuse(path, fmt::format("the metadata lack the number of {}", count_key(row)));
    }
    return to_number(found->second, path);
  };
  std::vector<LayerStats> layers;
  for (const auto& [name, entry] : file.entries()) {
    const auto [stat, layer] = parse_name(name, path);
    if (layer >= static_cast<int64_t>(file.entries().size())) {
      refuse(path, fmt::format("'{}' has a layer number beyond the number of layers", name));
    }
    if (layer >= static_cast<int64_t>(layers.size())) layers.resize(static_cast<size_t>(layer) + 1);
    const at::Tensor mean_U = file.tensor(name).to(at::kDouble);
    const int64_t count = count_of_row(stat_row(stat));
    layers[static_cast<size_t>(layer)].add_sum(stat, mean_U * static_cast<double>(count), count);
  }
  return layers;
}

}  // namespace mop
