// model/kv_cache.cc
#include "model/kv_cache.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace mop {
namespace {

int64_t start_of(const Packing& packing, size_t sequence) {
  return packing.starts.empty() ? 0 : packing.starts[sequence];
}

// Returns `memory`, enlarged if needed to at least `needed` tokens; contents are kept.
at::Tensor with_room(const at::Tensor& memory, int64_t needed, at::IntArrayRef shape_SCKE,
                     const at::TensorOptions& options) {
  if (memory.defined() && memory.size(1) >= needed) return memory;
  at::Tensor larger = at::empty(shape_SCKE, options);
  if (memory.defined()) larger.narrow(1, 0, memory.size(1)).copy_(memory);
  return larger;
}

}  // namespace

KvCache::KvCache(const ModelConfig& config, int64_t sequences, int64_t capacity_tokens,
                 Compute compute)
    : state_(std::make_unique<State>()) {
  state_->layers.resize(config.layers.size());
  state_->lengths.assign(static_cast<size_t>(sequences), 0);
  state_->capacity = std::max<int64_t>(1, capacity_tokens);
  state_->compute = compute;
}

KvCache::~KvCache() = default;
KvCache::KvCache(KvCache&&) noexcept = default;

int64_t KvCache::length(int64_t sequence) const {
  return state_->lengths.at(static_cast<size_t>(sequence));
}

void KvCache::truncate(int64_t sequence, int64_t length) {
  int64_t& now = state_->lengths.at(static_cast<size_t>(sequence));
  if (length < 0 || length > now) {
    throw internal_error("cannot truncate a cached sequence of {} tokens to {}", now, length);
  }
  now = length;
}

std::pair<at::Tensor, at::Tensor> KvCache::State::append(int64_t layer, int64_t first,
                                                         int64_t start, const at::Tensor& key_BTKE,
                                                         const at::Tensor& value_BTKE) {
  const int64_t batch = key_BTKE.size(0), tokens = key_BTKE.size(1);
  const int64_t needed = start + tokens;
  while (capacity < needed) capacity *= 2;
  LayerMemory& memory = layers.at(static_cast<size_t>(layer));
  const std::vector<int64_t> shape_SCKE = {static_cast<int64_t>(lengths.size()), capacity,
                                           key_BTKE.size(2), key_BTKE.size(3)};
  const auto store = [&](at::Tensor& memory_SCKE, const at::Tensor& new_BTKE) {
    memory_SCKE = with_room(memory_SCKE, needed, shape_SCKE, new_BTKE.options());
    const at::Tensor rows = memory_SCKE.narrow(0, first, batch);
    rows.narrow(1, start, tokens).copy_(new_BTKE);
    return rows.narrow(1, 0, needed);
  };
  return {store(memory.key_SCKE, key_BTKE), store(memory.value_SCKE, value_BTKE)};
}

void KvCache::State::check(const Packing& packing) const {
  if (packing.lengths.size() > lengths.size()) {
    throw internal_error("{} sequences for a cache of {}", packing.lengths.size(), lengths.size());
  }
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    if (start_of(packing, s) <= lengths[s]) continue;
    throw internal_error("sequence {} continues at {} but the cache holds {} tokens", s,
                         start_of(packing, s), lengths[s]);
  }
}

void KvCache::State::advance(const Packing& packing, int64_t first) {
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    lengths.at(static_cast<size_t>(first) + s) = start_of(packing, s) + packing.lengths[s];
  }
}

}  // namespace mop
