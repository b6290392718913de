// text/unigram.cc -- follows the `tokenizers` library, including its rules for ties and for
// neighbouring unknown characters.
#include "text/unigram.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace mop {
namespace {

// Log-probability penalty of an unknown character below the least likely piece.
constexpr double kUnknownPenalty = 10;

uint64_t edge(int32_t node, char byte) {
  return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
}

}  // namespace

Unigram::Unigram(std::vector<std::pair<std::string, double>> pieces, UnigramOptions options)
    : pieces_(std::move(pieces)), piece_at_{-1}, options_(options) {
  if (pieces_.empty()) throw bad_input("the vocabulary is empty");
  if (options_.unknown && (*options_.unknown < 0 || *options_.unknown >= size()))
    throw bad_input("`unk_id` {} is not one of {} pieces", *options_.unknown, size());
  unknown_score_ = pieces_[0].second;
  for (int64_t id = 0; id < size(); ++id) {
    const auto& [text, score] = pieces_[static_cast<size_t>(id)];
    unknown_score_ = std::min(unknown_score_, score);
    ids_[text] = id;
    int32_t node = 0;
    for (const char byte : text) {
      const auto next = static_cast<int32_t>(piece_at_.size());
      const auto [it, added] = children_.emplace(edge(node, byte), next);
      if (added) piece_at_.push_back(-1);
      node = it->second;
    }
    if (!text.empty()) piece_at_[static_cast<size_t>(node)] = id;
  }
  unknown_score_ -= kUnknownPenalty;
}

void Unigram::find_best_way(std::string_view word, std::vector<Scratch::Node>& nodes) const {
  nodes.assign(word.size() + 1, {});
  const auto reach = [&](size_t start, size_t end, double score, int64_t piece) {
    Scratch::Node& node = nodes[end];
    const double whole = score + nodes[start].score;
    if (node.start < 0 || whole > node.score) node = {whole, static_cast<int64_t>(start), piece};
  };
  for (size_t start = 0; start < word.size();) {
    const size_t character = std::min(code_point_at(word, start).bytes, word.size() - start);
    bool spelled = false;
    int32_t node = 0;
    for (size_t end = start; end < word.size();) {
      const auto next = children_.find(edge(node, word[end++]));
      if (next == children_.end()) break;
      node = next->second;
      const int64_t piece = piece_at_[static_cast<size_t>(node)];
      if (piece < 0) continue;
      reach(start, end, pieces_[static_cast<size_t>(piece)].second, piece);
      spelled = spelled || end - start == character;
    }
    if (!spelled) {
      if (!options_.unknown) {
        throw bad_input("the tokenizer has no piece for '{}' and no unknown piece (`unk_id`)",
                        word.substr(start, character));
      }
      reach(start, start + character, unknown_score_, *options_.unknown);
    }
    start += character;
  }
}

// A cut is a piece, or a run of unknown characters.
void Unigram::add_cut(std::string_view cut, std::vector<int64_t>& ids) const {
  if (const auto id = id_of(cut)) {
    ids.push_back(*id);
    return;
  }
  if (options_.byte_fallback) {
    const size_t before = ids.size();
    for (const char byte : cut) {
      const auto id = id_of(fmt::format("<0x{:02X}>", static_cast<unsigned char>(byte)));
      if (!id) break;
      ids.push_back(*id);
    }
    if (ids.size() - before == cut.size()) return;
    ids.resize(before);
  }
  ids.push_back(*options_.unknown);
}

void Unigram::encode(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const {
  find_best_way(word, scratch.nodes);
  scratch.cuts.clear();  // collected from the end
  bool after_unknown = false;
  for (auto end = static_cast<int64_t>(word.size()); end > 0;) {
    const Scratch::Node& node = scratch.nodes[static_cast<size_t>(end)];
    const auto cut =
        word.substr(static_cast<size_t>(node.start), static_cast<size_t>(end - node.start));
    const bool unknown = options_.unknown && node.piece == *options_.unknown;
    if (unknown && after_unknown) {
      scratch.cuts.back() = {cut.data(), cut.size() + scratch.cuts.back().size()};
    } else {
      scratch.cuts.push_back(cut);
    }
    after_unknown = unknown;
    end = node.start;
  }
  for (auto cut = scratch.cuts.rbegin(); cut != scratch.cuts.rend(); ++cut) add_cut(*cut, ids);
}

std::optional<int64_t> Unigram::id_of(std::string_view piece) const {
  const auto it = ids_.find(piece);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

const std::string* Unigram::token_of(int64_t id) const {
  return id >= 0 && id < size() ? &pieces_[static_cast<size_t>(id)].first : nullptr;
}

}  // namespace mop
