// text/bpe_tokenizer.cc
#include "text/bpe_tokenizer.h"

#include <utility>

#include "base/error.h"
#include "text/unicode.h"

namespace mop {

std::vector<int64_t> with_bos(std::vector<int64_t> ids, std::optional<int64_t> bos) {
  if (!bos) {
    throw bad_input("this tokenizer has no BOS token")
        .hint("set `bos_token` in tokenizer_config.json, or choose a protocol without BOS");
  }
  if (ids.empty() || ids.front() != *bos) ids.insert(ids.begin(), *bos);
  return ids;
}

BpeTokenizer::BpeTokenizer(BpeParts parts)
    : parts_(std::move(parts)),
      raw_(
          parts_.added, [](const AddedToken& t) { return !t.normalized; },
          [](const AddedToken& t) { return t.content; }),
      normalized_(
          parts_.added, [](const AddedToken& t) { return t.normalized; },
          [this](const AddedToken& t) { return parts_.normalizer(t.content); }),
      vocab_(parts_.model.size()) {
  for (const AddedToken& token : parts_.added) {
    // A `normalized` token is searched for in normalised text, so its spelling is normalised too.
    std::string text = token.normalized ? parts_.normalizer(token.content) : token.content;
    added_by_id_.emplace(token.id, Spelling{std::move(text), token.special});
    vocab_ = std::max(vocab_, token.id + 1);
  }
}

void BpeTokenizer::encode_plain(std::string text, bool at_start, WordModel::Scratch& scratch,
                                std::vector<int64_t>& ids) const {
  const std::string normalized = parts_.normalizer(std::move(text));
  for (const Segment& segment : normalized_.split(normalized)) {
    if (segment.token != nullptr) {
      ids.push_back(segment.token->id);
      continue;
    }
    std::vector<Word> words;
    words.push_back({normalized.substr(segment.begin, segment.end - segment.begin),
                     at_start && segment.begin == 0});
    for (const Word& word : parts_.pre_tokenizer(std::move(words))) {
      parts_.model.encode(word.text, scratch, ids);
    }
  }
}

std::vector<int64_t> BpeTokenizer::encode(std::string_view text, Special special) const {
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);
  std::vector<int64_t> ids;
  if (special == Special::kDefault) ids = parts_.surround.before;
  WordModel::Scratch scratch;
  for (const Segment& segment : raw_.split(text)) {
    if (segment.token != nullptr) {
      ids.push_back(segment.token->id);
    } else {
      encode_plain(std::string(text.substr(segment.begin, segment.end - segment.begin)),
                   segment.begin == 0, scratch, ids);
    }
  }
  if (special == Special::kDefault) {
    ids.insert(ids.end(), parts_.surround.after.begin(), parts_.surround.after.end());
  }
  return special == Special::kBos ? with_bos(std::move(ids), parts_.bos) : ids;
}

std::string BpeTokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::vector<std::string> tokens;
  for (const int64_t id : ids) {
    if (const auto it = added_by_id_.find(id); it != added_by_id_.end()) {
      if (!(skip_special && it->second.special)) tokens.push_back(it->second.text);
    } else if (const std::string* token = parts_.model.token_of(id)) {
      tokens.push_back(*token);
    }
  }
  return join_texts(parts_.decoder(std::move(tokens)));
}

}  // namespace mop
