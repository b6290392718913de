// collectives/collectives.cc -- the one-rank implementation, the environment, and derived
// operations.
#include "collectives/collectives.h"

#include <ATen/ATen.h>

#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "collectives/gloo_group.h"
#include "collectives/nccl_group.h"

namespace mop {
namespace {

constexpr const char* kHint =
    "start every process as torchrun does: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set";

class OneRank final : public Collectives {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  using Collectives::broadcast;
  void all_reduce(const std::vector<at::Tensor>&) override {}
  void broadcast(const std::vector<at::Tensor>&) override {}
  std::vector<std::string> all_gather(std::string_view bytes) override {
    return {std::string(bytes)};
  }
};

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    throw usage_error("the environment variable {} is not set, WORLD_SIZE is", name).hint(kHint);
  }
  return value;
}

int64_t number_of(const char* name, int64_t smallest, int64_t largest) {
  const std::string text = text_of(name);
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || value < smallest ||
      value > largest) {
    throw usage_error("the environment variable {} is '{}', expected a number from {} to {}", name,
                      text, smallest, largest)
        .hint(kHint);
  }
  return value;
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

template <typename T>
T sum_of(Collectives& ranks, T value, at::ScalarType type) {
  const at::Tensor total = at::full({1}, value, type);
  ranks.all_reduce({total});
  return total.item<T>();
}

}  // namespace

std::string Collectives::broadcast(std::string_view bytes) {
  return all_gather(rank() == 0 ? bytes : "")[0];
}

double Collectives::sum(double value) { return sum_of(*this, value, at::kDouble); }
int64_t Collectives::sum(int64_t value) { return sum_of(*this, value, at::kLong); }

Collectives& one_rank() {
  static OneRank only;
  return only;
}

RankPlace rank_from_environment() {
  RankPlace place;
  if (!is_set("WORLD_SIZE")) return place;
  place.size = number_of("WORLD_SIZE", 1, 1 << 20);
  if (place.size == 1) return place;
  place.rank = number_of("RANK", 0, place.size - 1);
  place.address = text_of("MASTER_ADDR");
  place.port = number_of("MASTER_PORT", 1, 65535);
  if (is_set("MOP_RANK_TIMEOUT")) {
    place.timeout = std::chrono::seconds(number_of("MOP_RANK_TIMEOUT", 1, int64_t{1} << 30));
  }
  place.agent_listens =
      is_set("TORCHELASTIC_USE_AGENT_STORE") && text_of("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (is_set("TORCHELASTIC_RESTART_COUNT")) {
    place.restart = number_of("TORCHELASTIC_RESTART_COUNT", 0, int64_t{1} << 30);
  }
  return place;
}

std::shared_ptr<Collectives> join_ranks(const RankPlace& place) {
  if (place.size == 1) return std::make_shared<OneRank>();
#ifdef MOP_HAS_GLOO
  return with_nccl(join_gloo(place), place.timeout);
#else
  throw usage_error(
      "{} processes were asked for, but this build knows one only: LibTorch has no Gloo",
      place.size)
      .hint("build with a LibTorch for Linux that holds it, such as PyPI's");
#endif
}

std::pair<int64_t, int64_t> rank_share(int64_t count, const Collectives& ranks) {
  const int64_t whole = count / ranks.size(), rest = count % ranks.size();
  const int64_t first = ranks.rank() * whole + std::min(ranks.rank(), rest);
  return {first, first + whole + (ranks.rank() < rest ? 1 : 0)};
}

}  // namespace mop
