// allocate/evolution.cc -- allocation by elitist evolution at a constant number of parameters.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "allocate/measured_damage.h"
#include "base/error.h"
#include "base/random.h"

namespace mop {
namespace {

constexpr size_t kSurvivors = 4;
constexpr uint64_t kMostTrades = 4;  // per mutation
constexpr int kTries = 256;          // attempts to find a genome not evaluated before
constexpr int64_t kShare = 16;       // a trade moves about 1/16 of a half layer

using Genome = std::vector<int64_t>;  // removed units per half layer

struct Individual {
  Genome genome;
  double loss = 0;
};

class Evolution {
 public:
  explicit Evolution(const SpreadInput& input)
      : in_(input), halves_(scored_half_layers(input)), random_(input.options.evolution_seed) {}

  WidthCounts run() {
    std::vector<Individual> alive = judged({start()});
    for (int64_t i = 1; i <= in_.options.generations; ++i) {
      const std::vector<Genome> young = offspring(alive);
      if (young.empty()) break;
      for (Individual& one : judged(young)) alive.push_back(std::move(one));
      std::ranges::stable_sort(alive, {}, &Individual::loss);
      if (alive.size() > kSurvivors) alive.resize(kSurvivors);
      in_.note(fmt::format("generation {} of {}: perplexity {:.3f} on held-out text", i,
                           in_.options.generations, std::exp(alive[0].loss)));
    }
    WidthCounts counts = width_counts(in_.config, halves_, alive[0].genome);
    counts.owed = in_.uniform.owed;
    return counts;
  }

 private:
  Genome start() {
    Genome genome = units_gone(halves_, in_.uniform);
    seen_.insert(genome);
    return genome;
  }

  std::vector<Individual> judged(const std::vector<Genome>& genomes) const {
    std::vector<WidthCounts> candidates;
    for (const Genome& genome : genomes) {
      candidates.push_back(width_counts(in_.config, halves_, genome));
    }
    const std::vector<double> losses = in_.judge(candidates);
    std::vector<Individual> individuals;
    for (size_t i = 0; i < genomes.size(); ++i) individuals.push_back({genomes[i], losses[i]});
    return individuals;
  }

  std::vector<Genome> offspring(const std::vector<Individual>& alive) {
    std::vector<Genome> young;
    for (int tries = 0; tries < kTries && std::ssize(young) < in_.options.offspring; ++tries) {
      Genome genome = alive[random_.below(alive.size())].genome;
      const uint64_t trades =
          std::min(1 + random_.below(kMostTrades), 1 + random_.below(kMostTrades));
      for (uint64_t i = 0; i < trades; ++i) trade(genome);
      if (seen_.insert(genome).second) young.push_back(std::move(genome));
    }
    return young;
  }

  // Removes packs from one half layer and restores as many parameters of another; does nothing if
  // the numbers cannot be matched.
  void trade(Genome& genome) {
    const size_t loses = random_.below(halves_.size()), gets = random_.below(halves_.size());
    if (loses == gets) return;
    const int64_t even = std::lcm(pack_cost(loses), pack_cost(gets));
    const int64_t units = even / unit_cost(loses), back = even / unit_cost(gets);
    const int64_t times = std::max<int64_t>(halves_[loses].units / kShare / units, 1);
    for (const int64_t k : {times, int64_t{1}}) {
      const int64_t more = genome[loses] + k * units, less = genome[gets] - k * back;
      if (!may_lose(loses, more) || !may_lose(gets, less)) continue;
      genome[loses] = more;
      genome[gets] = less;
      return;
    }
  }

  bool may_lose(size_t half, int64_t gone) const {
    const HalfLayerCurve& h = halves_[half];
    if (gone < 0 || gone > h.units - h.keep) return false;
    return gone == 0 || (h.units - gone) % h.pack == 0;
  }
  int64_t unit_cost(size_t half) const { return std::llround(halves_[half].gain); }
  int64_t pack_cost(size_t half) const { return unit_cost(half) * halves_[half].pack; }

  const SpreadInput& in_;
  const std::vector<HalfLayerCurve> halves_;
  Random random_;
  std::set<Genome> seen_;
};

}  // namespace

WidthCounts evolve_counts(const SpreadInput& input) { return Evolution(input).run(); }

}  // namespace mop
