// structure/currency.h -- the quantities a target may count: parameters, time, memory, KV cache. A
// half layer has a fixed cost while it has any unit, plus a cost per unit.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/amounts.h"
#include "model/config.h"
#include "structure/unit.h"

namespace mop {

/// Cost of one half layer, in the unit of a currency.
struct HalfCost {
  double unit = 0;  ///< per KV group or neuron
  double rest = 0;  ///< fixed, while any unit remains: norm, overhead
};

/// Inputs of a currency besides sizes.
struct CostInputs {
  int64_t element_bytes = 4;  ///< bytes per stored weight and per KV cache entry
  double extra_bytes = 0;     ///< bytes of all weights above parameters * element_bytes
  /// Measured nanoseconds per decoded token.
  HalfCost attention = {}, mlp = {};
  double outside = 0;  ///< embedding, head and all else outside the layers
};

struct Currency {
  std::string_view name;     ///< in recipes: "latency"
  std::string_view unit;     ///< "ns a token"
  std::string_view summary;  ///< one line for `mop list currencies`
  bool measured = false;     ///< whether `CostInputs` must have measured times
  /// Whether each parameter costs a fixed amount, so that budgets can be parameters.
  bool per_parameter = false;
  std::span<const UnitSuffix> units;   ///< units of sizes in recipes; factors convert to `unit`
  std::string_view examples;           ///< examples of such sizes
  std::string (*text)(double amount);  ///< formats an amount for people: "13.48 GB"
  /// Cost of a half that exists; `kind` is kAttention or kMlp.
  HalfCost (*half)(const ModelConfig&, const LayerShape&, UnitKind kind, const CostInputs&);
  /// Cost of all else outside the layers.
  double (*outside)(const ModelConfig&, const CostInputs&);
  std::string_view source = {};  ///< paper or definition
};

/// All currencies; the first is "parameters".
std::span<const Currency> all_currencies();
/// Throws Error(kUsage) listing the known names.
const Currency& find_currency(std::string_view name);

/// Parses a size that a model should have: "6GB", "5B", "12ms". A latency without a unit is in ms.
/// Throws Error(kUsage) naming the units.
double size_from_text(const Currency& currency, std::string_view text);

/// A currency with its inputs: costs of halves and models.
class Costs {
 public:
  /// Parameters.
  Costs();
  Costs(const Currency& currency, const CostInputs& inputs) : row_(&currency), inputs_(inputs) {}
  const Currency& currency() const { return *row_; }
  /// Zero for a missing half. `kind`: kAttention or kMlp.
  HalfCost of_half(const ModelConfig& config, const LayerShape& shape, UnitKind kind) const;
  double of_layers(const ModelConfig& config) const;
  double of_model(const ModelConfig& config) const;

 private:
  const Currency* row_;
  CostInputs inputs_;
};

}  // namespace mop
