// jobs/prune_costs.cc
#include "jobs/prune_costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/files.h"
#include "base/parse_json.h"
#include "base/read_values.h"
#include "eval/latency.h"
#include "eval/unit_latency.h"
#include "model/config_keys.h"
#include "model/family.h"
#include "run/run_folder.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

constexpr double kNanoseconds = 1e9;
// A fit that misses a time by more than this is told.
constexpr double kPoorFit = 0.15;

CostInputs inputs_of(const UnitLatency& latency) {
  CostInputs inputs;
  inputs.attention = {latency.kv_group * kNanoseconds, latency.attention * kNanoseconds};
  inputs.mlp = {latency.neuron * kNanoseconds, latency.mlp * kNanoseconds};
  inputs.outside = latency.outside * kNanoseconds;
  return inputs;
}

UnitLatency measured(const PreparedRun& run, Progress& progress) {
  UnitLatency latency = measure_unit_latency(run.dense, run.compute, progress);
  if (latency.foreign_load > kMostForeignLoad) {
    progress.warn(fmt::format("others used {:.0f}% of the machine while times were measured",
                              100 * latency.foreign_load));
  }
  if (latency.worst > kPoorFit) {
    progress.warn(fmt::format(
        "a time for each half and each unit misses the times of whole models by up to {:.0f}%",
        100 * latency.worst));
  }
  return latency;
}

}  // namespace

CostInputs stored_costs(const Model& dense) {
  const Checkpoint& checkpoint = dense.checkpoint();
  std::map<int64_t, int64_t> numbers;  // by the bytes of one
  for (const std::string& name : checkpoint.names()) {
    const TensorEntry& one = checkpoint.entry(name);
    numbers[static_cast<int64_t>(dtype_bytes(one.dtype))] += c10::multiply_integers(one.shape);
  }
  const auto by_number = [](const auto& row) { return row.second; };
  CostInputs inputs;
  inputs.element_bytes = std::ranges::max_element(numbers, {}, by_number)->first;
  inputs.extra_bytes = static_cast<double>(checkpoint.value_bytes() -
                                           total_parameters(dense.config()) * inputs.element_bytes);
  return inputs;
}

CostInputs costs_by_config(const Json& config, const std::string& where) {
  CostInputs inputs;
  const std::optional<DType> dtype = dtype_of_weights(config, where);
  if (dtype) inputs.element_bytes = static_cast<int64_t>(dtype_bytes(*dtype));
  return inputs;
}

void complete_costs(PreparedRun& run, const std::filesystem::path& file, Collectives& ranks,
                    Progress& progress) {
  const Currency& currency = find_currency(run.recipe.target.currency);
  if (!currency.measured || run.replay) return;
  Json table;
  if (ranks.rank() == 0) {
    if (!std::filesystem::exists(file)) {
      write_file(file, to_text(to_json(measured(run, progress))));
    }
    table = read_json(file);
  }
  table = parse_json(ranks.broadcast(table.dump()));
  const UnitLatency latency = unit_latency_from_json(table, file.string());
  run.recipe.target.costs = std::make_shared<const Costs>(currency, inputs_of(latency));
  run.recipe.target = with_fraction(std::move(run.recipe.target), run.dense.config());
  check_reach(run.recipe, run.dense.config());
  progress.note(fmt::format(
      "a token takes {:.3f} ms: {:.1f} us for an attention half and {:.2f} for each of its groups, "
      "{:.1f} us for an MLP and {:.4f} for each neuron",
      run.recipe.target.costs->of_model(run.dense.config()) / 1e6, latency.attention * 1e6,
      latency.kv_group * 1e6, latency.mlp * 1e6, latency.neuron * 1e6));
}

Json costs_json(const PreparedRun& run, const ModelConfig& after) {
  const ModelConfig& dense = run.dense.config();
  Json all = Json::array();
  for (const Currency& currency : all_currencies().subspan(1)) {
    Costs costs(currency, run.recipe.target.stored);
    if (currency.measured) {
      const auto& measured = run.recipe.target.costs;
      if (measured == nullptr || measured->currency().name != currency.name) continue;
      costs = *measured;
    }
    all.push_back({{"name", currency.name},
                   {"unit", currency.unit},
                   {"dense", std::llround(costs.of_model(dense))},
                   {"pruned", std::llround(costs.of_model(after))}});
  }
  return all;
}

std::shared_ptr<const Costs> measured_costs(const PreparedRun& run,
                                            const std::filesystem::path& out) {
  for (const std::filesystem::path& place : {out, working_folder(out)}) {
    const std::filesystem::path file = place / "run" / "latency.json";
    if (!std::filesystem::exists(file) || !holds_run(place)) continue;
    const Json earlier = read_json(place / "run" / "manifest.json");
    if (word_of(part_of(earlier, "model"), "fingerprint") != run.dense.checkpoint().fingerprint())
      continue;
    const UnitLatency latency = unit_latency_from_json(read_json(file), file.string());
    return std::make_shared<const Costs>(find_currency("latency"), inputs_of(latency));
  }
  return nullptr;
}

}  // namespace mop
