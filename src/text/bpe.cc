// text/bpe.cc
#include "text/bpe.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "text/unicode.h"

namespace mop {
namespace {

constexpr uint64_t kEmpty = ~uint64_t{0};

uint64_t key_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t slot_of(uint64_t key, size_t slots) {
  return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & (slots - 1);
}

// Heap order: lowest rank on top; of equal ranks, the leftmost.
bool worse(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)), byte_ids_(256, -1) {
  for (const auto& [token, id] : vocabulary_) {
    if (id < 0) throw bad_input("token '{}' has the negative id {}", token, id);
    if (static_cast<size_t>(id) >= tokens_.size()) tokens_.resize(static_cast<size_t>(id) + 1);
    tokens_[static_cast<size_t>(id)] = &token;
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto it = vocabulary_.find(fmt::format("<0x{:02X}>", byte));
    if (it != vocabulary_.end()) byte_ids_[static_cast<size_t>(byte)] = it->second;
  }
  if (options_.unknown) {
    const auto it = vocabulary_.find(*options_.unknown);
    if (it == vocabulary_.end())
      throw bad_input("`unk_token` '{}' is not in the vocabulary", *options_.unknown);
    unknown_ = it->second;
  }
  joins_.assign(std::bit_ceil(2 * merges.size() + 2), {kEmpty, {}});
  const auto id_in = [&](const std::string& token, const Merge& merge) {
    const auto it = vocabulary_.find(token);
    if (it != vocabulary_.end()) return it->second;
    throw bad_input("merge '{}' '{}' needs the token '{}', which is not in the vocabulary",
                    merge.left, merge.right, token);
  };
  for (const Merge& merge : merges) {
    insert_join(id_in(merge.left, merge), id_in(merge.right, merge),
                {merge.rank, id_in(merge.left + merge.right, merge)});
  }
}

void Bpe::insert_join(int32_t left, int32_t right, Join join) {
  const uint64_t key = key_of(left, right);
  size_t slot = slot_of(key, joins_.size());
  while (joins_[slot].first != kEmpty && joins_[slot].first != key)
    slot = (slot + 1) & (joins_.size() - 1);
  joins_[slot] = {key, join};
}

const Bpe::Join* Bpe::find_join(int32_t left, int32_t right) const {
  const uint64_t key = key_of(left, right);
  for (size_t slot = slot_of(key, joins_.size());; slot = (slot + 1) & (joins_.size() - 1)) {
    if (joins_[slot].first == key) return &joins_[slot].second;
    if (joins_[slot].first == kEmpty) return nullptr;
  }
}

bool Bpe::add_bytes(std::string_view character, std::vector<Scratch::Symbol>& symbols) const {
  const auto id_at = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (!std::all_of(character.begin(), character.end(), [&](char b) { return id_at(b) >= 0; }))
    return false;
  for (const char byte : character) symbols.push_back({id_at(byte), 0, 0});
  return true;
}

void Bpe::add_characters(std::string_view word, std::vector<Scratch::Symbol>& symbols) const {
  bool after_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, code_point_at(word, at).bytes);
    at += character.size();
    const auto it = vocabulary_.find(character);
    bool known = it != vocabulary_.end();
    if (known) {
      symbols.push_back({it->second, 0, 0});
    } else if (options_.byte_fallback) {
      known = add_bytes(character, symbols);
    }
    if (!known && unknown_ && !(after_unknown && options_.fuse_unknown))
      symbols.push_back({*unknown_, 0, 0});
    after_unknown = !known;
  }
}

void Bpe::push_candidate(int32_t position, Scratch& scratch) const {
  const auto& symbol = scratch.symbols[static_cast<size_t>(position)];
  if (symbol.next < 0) return;
  const Join* join = find_join(symbol.id, scratch.symbols[static_cast<size_t>(symbol.next)].id);
  if (join == nullptr) return;
  scratch.heap.push_back({join->rank, position, join->joined});
}

void Bpe::join_all(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  const auto count = static_cast<int32_t>(symbols.size());
  for (int32_t i = 0; i < count; ++i) {
    symbols[static_cast<size_t>(i)].previous = i - 1;
    symbols[static_cast<size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
  heap.clear();
  for (int32_t i = 0; i + 1 < count; ++i) push_candidate(i, scratch);
  std::make_heap(heap.begin(), heap.end(), worse);
  const auto push = [&](int32_t position) {
    const size_t before = heap.size();
    push_candidate(position, scratch);
    if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), worse);
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    const Scratch::Candidate best = heap.back();
    heap.pop_back();
    auto& left = symbols[static_cast<size_t>(best.position)];
    if (left.id < 0 || left.next < 0) continue;
    auto& right = symbols[static_cast<size_t>(left.next)];
    const Join* join = find_join(left.id, right.id);
    if (join == nullptr || join->joined != best.joined) continue;  // stale: a neighbour has changed
    left.id = best.joined;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.position;
    if (left.previous >= 0) push(left.previous);
    push(best.position);
  }
}

void Bpe::encode(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const {
  if (options_.ignore_merges) {
    if (const auto id = id_of(word)) {
      ids.push_back(*id);
      return;
    }
  }
  scratch.symbols.clear();
  add_characters(word, scratch.symbols);
  join_all(scratch);
  for (const auto& symbol : scratch.symbols) {
    if (symbol.id >= 0) ids.push_back(symbol.id);
  }
}

std::optional<int64_t> Bpe::id_of(std::string_view token) const {
  const auto it = vocabulary_.find(token);
  if (it == vocabulary_.end()) return std::nullopt;
  return it->second;
}

const std::string* Bpe::token_of(int64_t id) const {
  return id >= 0 && id < size() ? tokens_[static_cast<size_t>(id)] : nullptr;
}

}  // namespace mop
