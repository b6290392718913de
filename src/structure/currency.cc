// structure/currency.cc -- the table of currencies.
#include "structure/currency.h"

#include <fmt/ranges.h>

#include <array>

#include "base/error.h"
#include "base/named_table.h"
#include "model/family.h"

namespace mop {
namespace {

UnitKind unit_of(UnitKind half) {
  return half == UnitKind::kAttention ? UnitKind::kKvGroup : UnitKind::kNeuron;
}

HalfCost parameters(const ModelConfig& config, const LayerShape& shape, UnitKind kind,
                    const CostInputs&) {
  const UnitKind unit = unit_of(kind);
  const auto each = static_cast<double>(unit_parameters(unit, config, shape));
  return {each, static_cast<double>(unit_parameters(kind, config, shape)) -
                    each * static_cast<double>(num_units(unit, shape))};
}

double parameters_outside(const ModelConfig& config, const CostInputs&) {
  return static_cast<double>(total_parameters(config) - block_parameters(config));
}

HalfCost memory(const ModelConfig& config, const LayerShape& shape, UnitKind kind,
                const CostInputs& inputs) {
  const auto bytes = static_cast<double>(inputs.element_bytes);
  const HalfCost cost = parameters(config, shape, kind, inputs);
  return {cost.unit * bytes, cost.rest * bytes};
}

double memory_outside(const ModelConfig& config, const CostInputs& inputs) {
  return parameters_outside(config, inputs) * static_cast<double>(inputs.element_bytes) +
         inputs.extra_bytes;
}

HalfCost kv_cache(const ModelConfig&, const LayerShape& shape, UnitKind kind,
                  const CostInputs& inputs) {
  if (kind == UnitKind::kMlp) return {};
  return {static_cast<double>(2 * shape.head_dim * inputs.element_bytes), 0};
}

double nothing_outside(const ModelConfig&, const CostInputs&) { return 0; }

HalfCost latency(const ModelConfig&, const LayerShape&, UnitKind kind, const CostInputs& inputs) {
  return kind == UnitKind::kMlp ? inputs.mlp : inputs.attention;
}

double latency_outside(const ModelConfig&, const CostInputs& inputs) { return inputs.outside; }

constexpr UnitSuffix kParameterUnits[] = {{"", 1},    {"k", 1e3}, {"K", 1e3}, {"M", 1e6},
                                          {"B", 1e9}, {"G", 1e9}, {"T", 1e12}};
constexpr UnitSuffix kTimeUnits[] = {{"", 1e6}, {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};

std::string parameters_text(double amount) { return long_count(amount) + " parameters"; }
std::string cache_text(double amount) { return long_bytes(amount) + " a token"; }
std::string time_text(double amount) { return fmt::format("{:.4g} ms a token", amount / 1e6); }

constexpr std::string_view kOurs = "this project, docs/method.md, Damage";

constexpr std::array kCurrencies = {
    Currency{.name = "parameters",
             .unit = "parameters",
             .summary = "weights, norms and biases",
             .per_parameter = true,
             .units = kParameterUnits,
             .examples = "5B, 350M, 1.2e9",
             .text = parameters_text,
             .half = parameters,
             .outside = parameters_outside,
             .source = kOurs},
    Currency{.name = "latency",
             .unit = "ns a token",
             .summary = "time of decoding a token at batch 1, measured on this machine",
             .measured = true,
             .units = kTimeUnits,
             .examples = "12ms, 850us, 12 (ms)",
             .text = time_text,
             .half = latency,
             .outside = latency_outside,
             .source = kOurs},
    Currency{.name = "memory",
             .unit = "bytes",
             .summary = "bytes of the weights in the types in which they are stored",
             .per_parameter = true,
             .units = kByteUnits,
             .examples = "6GB, 5.5GiB, 800MB",
             .text = long_bytes,
             .half = memory,
             .outside = memory_outside,
             .source = kOurs},
    Currency{.name = "kv-cache",
             .unit = "bytes a token",
             .summary =
                 "bytes of keys and values that each token leaves in the cache, in the type in "
                 "which the weights are stored",
             .units = kByteUnits,
             .examples = "64KiB, 100kB, 32768",
             .text = cache_text,
             .half = kv_cache,
             .outside = nothing_outside,
             .source = kOurs}};

}  // namespace

std::span<const Currency> all_currencies() { return kCurrencies; }

const Currency& find_currency(std::string_view name) {
  return find_by_name(all_currencies(), name, "currency of a target");
}

double size_from_text(const Currency& currency, std::string_view text) {
  const double size = number_with_unit(text, currency.units).value_or(0);
  if (size > 0 && size < 9e18) return size;
  std::vector<std::string_view> names;
  for (const UnitSuffix& unit : currency.units) {
    if (!unit.name.empty()) names.push_back(unit.name);
  }
  throw usage_error("'{}' is not a size of {}", text, currency.name)
      .hint("for example " + std::string(currency.examples) +
            fmt::format("; units: {}", fmt::join(names, ", ")));
}

Costs::Costs() : row_(&kCurrencies[0]) {}

HalfCost Costs::of_half(const ModelConfig& config, const LayerShape& shape, UnitKind kind) const {
  return num_units(kind, shape) == 0 ? HalfCost{} : row_->half(config, shape, kind, inputs_);
}

double Costs::of_layers(const ModelConfig& config) const {
  double sum = 0;
  for (const LayerShape& shape : config.layers) {
    for (const UnitKind kind : {UnitKind::kAttention, UnitKind::kMlp}) {
      const HalfCost cost = of_half(config, shape, kind);
      sum += cost.rest + cost.unit * static_cast<double>(num_units(unit_of(kind), shape));
    }
  }
  return sum;
}

double Costs::of_model(const ModelConfig& config) const {
  return of_layers(config) + row_->outside(config, inputs_);
}

}  // namespace mop
