// text/word_model.h -- the model of a tokenizer.json, which converts one word to ids.
#pragma once
#include <utility>
#include <variant>

#include "text/bpe.h"
#include "text/unigram.h"

namespace mop {

class WordModel {
 public:
  WordModel(Bpe model) : model_(std::move(model)) {}      // NOLINT: one is the other
  WordModel(Unigram model) : model_(std::move(model)) {}  // NOLINT

  struct Scratch {
    Bpe::Scratch bpe;
    Unigram::Scratch unigram;
  };
  /// Appends the ids of one word (valid UTF-8) to `ids`.
  void encode(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const {
    if (const auto* bpe = std::get_if<Bpe>(&model_)) {
      bpe->encode(word, scratch.bpe, ids);
    } else {
      std::get<Unigram>(model_).encode(word, scratch.unigram, ids);
    }
  }
  std::optional<int64_t> id_of(std::string_view token) const {
    return std::visit([&](const auto& model) { return model.id_of(token); }, model_);
  }
  /// Returns nullptr when there is no such token.
  const std::string* token_of(int64_t id) const {
    return std::visit([&](const auto& model) { return model.token_of(id); }, model_);
  }
  /// Largest id + 1.
  int64_t size() const {
    return std::visit([](const auto& model) { return model.size(); }, model_);
  }

 private:
  std::variant<Bpe, Unigram> model_;
};

}  // namespace mop
