// text/sentencepiece.cc -- a SentencePiece model with LlamaTokenizer's additional rules.
#include <sentencepiece_processor.h>

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "text/bpe_tokenizer.h"
#include "text/pattern.h"
#include "text/proto_wire.h"
#include "text/spm_check.h"
#include "text/spm_model.h"
#include "text/unicode.h"

namespace mop {
namespace {

// Appending these bytes to a serialized model sets normalizer_spec.add_dummy_prefix = false:
// protocol buffers merge repeated fields.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(const std::string& bytes, const TokenizerConfig& config);
  std::vector<int64_t> encode(std::string_view text, Special special) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  int64_t vocab() const override { return vocab_; }
  std::optional<int64_t> bos() const override { return bos_; }
  std::optional<int64_t> eos() const override { return eos_; }
  std::string kind() const override { return "sentencepiece"; }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  std::vector<AddedToken> number(std::vector<AddedToken> tokens);
  std::optional<int64_t> id_of(std::string_view token) const;
  std::vector<int> pieces(std::string_view text) const;
  void encode_segment(std::string_view text, std::vector<int64_t>& ids) const;
  std::vector<int64_t> encode_text(std::string_view text) const;

  sentencepiece::SentencePieceProcessor model_;
  TokenizerConfig config_;
  std::string fingerprint_;
  std::string unknown_;
  int64_t vocab_ = 0;
  std::vector<AddedToken> added_;
  std::unique_ptr<AddedTokenFinder> finder_;
  std::optional<int64_t> bos_, eos_;
  int64_t mark_ = -1;          // id of the piece that is a single blank
  size_t unknown_length_ = 0;  // number of pieces of the unknown token's text
};

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& bytes,
                                               const TokenizerConfig& config)
    : config_(config), fingerprint_(sha256(bytes)) {
  const auto refuse = [] {
    throw bad_input(
        "not a tokenizer: neither JSON, nor 'base64 rank' lines, nor a SentencePiece model");
  };
  if (!is_message(bytes)) refuse();
  check_spm(bytes);
  const std::string whole = config.legacy ? bytes : bytes + std::string(kNoDummyPrefix);
  bool loaded = false;
  try {
    loaded = model_.LoadFromSerializedProto(whole).ok();
  } catch (const std::exception&) {  // thrown by the library's piece table
  }
  if (!loaded) refuse();
  vocab_ = model_.GetPieceSize();
  const auto piece = [&](int id) {
    return id >= 0 ? std::optional<std::string>(model_.IdToPiece(id)) : std::nullopt;
  };
  if (!config_.bos) config_.bos = piece(model_.bos_id());
  if (!config_.eos) config_.eos = piece(model_.eos_id());
  if (!config_.unk) config_.unk = piece(model_.unk_id());
  added_ = number(config_.added);
  finder_ = std::make_unique<AddedTokenFinder>(
      added_, [](const AddedToken&) { return true; },
      [](const AddedToken& t) { return t.content; });
  if (config_.bos) bos_ = id_of(*config_.bos);
  if (config_.eos) eos_ = id_of(*config_.eos);
  mark_ = id_of(kSpmBlank).value_or(-1);
  unknown_ = config_.unk.value_or("<unk>");
  unknown_length_ = pieces(unknown_).size();
}

// Assigns ids to the tokens of the files beside the model, and to BOS, EOS and unknown if those
// files name none.
std::vector<AddedToken> SentencePieceTokenizer::number(std::vector<AddedToken> tokens) {
  for (const auto* text : {&config_.bos, &config_.eos, &config_.unk}) {
    const auto same = [&](const AddedToken& t) { return t.content == **text; };
    if (*text && std::none_of(tokens.begin(), tokens.end(), same)) {
      tokens.push_back({.content = **text, .special = true});
    }
  }
  for (AddedToken& token : tokens) {
    if (const auto id = id_of(token.content)) {
      token.id = *id;
    } else if (token.id < 0) {
      token.id = vocab_;
    }
    vocab_ = std::max(vocab_, token.id + 1);
  }
  return tokens;
}

std::optional<int64_t> SentencePieceTokenizer::id_of(std::string_view token) const {
  for (const AddedToken& added : added_) {
    if (added.content == token) return added.id;
  }
  const int id = model_.PieceToId(token);
  if (id < 0 || id >= model_.GetPieceSize() || model_.IdToPiece(id) != token) return std::nullopt;
  return id;
}

std::vector<int> SentencePieceTokenizer::pieces(std::string_view text) const {
  std::vector<int> ids;
  const auto status = model_.Encode(text, &ids);
  if (!status.ok())
    throw bad_input("SentencePiece could not encode the text: {}", status.ToString());
  return ids;
}

// Without the dummy prefix, SentencePiece drops a leading blank. The text of the unknown token is
// therefore prepended and its pieces are removed from the result.
void SentencePieceTokenizer::encode_segment(std::string_view text,
                                            std::vector<int64_t>& ids) const {
  const bool guarded = !config_.legacy && (text.starts_with(kSpmBlank) || text.starts_with(' '));
  const std::vector<int> found = pieces(guarded ? unknown_ + std::string(text) : std::string(text));
  const size_t skip = guarded && found.size() >= unknown_length_ ? unknown_length_ : 0;
  ids.insert(ids.end(), found.begin() + static_cast<ptrdiff_t>(skip), found.end());
}

std::vector<int64_t> SentencePieceTokenizer::encode_text(std::string_view text) const {
  std::vector<int64_t> ids;
  std::string marked;
  if (!config_.legacy && !text.empty()) {
    marked = Pattern::literal(kSpmBlank).replace_all(text, " ");
    if (config_.add_prefix_space) marked.insert(0, kSpmBlank);
    text = marked;
  }
  const std::vector<Segment> segments = finder_->split(text);
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto& [begin, end, token] = segments[i];
    if (token != nullptr) {
      ids.push_back(token->id);
      continue;
    }
    encode_segment(text.substr(begin, end - begin), ids);
    // A single blank before a special token is the dummy prefix.
    const bool lone = !config_.legacy && ids.size() == 1 && ids[0] == mark_;
    if (lone && i + 1 < segments.size() && segments[i + 1].token->special) ids.clear();
  }
  return ids;
}

std::vector<int64_t> SentencePieceTokenizer::encode(std::string_view text, Special special) const {
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);
  std::vector<int64_t> ids = encode_text(text);
  if (special == Special::kBos) return with_bos(std::move(ids), bos_);
  if (special == Special::kNone) return ids;
  if (config_.add_bos && bos_) ids.insert(ids.begin(), *bos_);
  if (config_.add_eos && eos_) ids.push_back(*eos_);
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<int64_t>& ids,
                                           bool skip_special) const {
  static const Pattern mark = Pattern::literal(kSpmBlank);
  std::vector<std::string> tokens;
  for (const int64_t id : ids) {
    const auto added =
        std::find_if(added_.begin(), added_.end(), [&](const AddedToken& t) { return t.id == id; });
    if (added != added_.end()) {
      if (!(skip_special && added->special))
        tokens.push_back(mark.replace_all(added->content, " "));
    } else if (id >= 0 && id < model_.GetPieceSize()) {
      tokens.push_back(mark.replace_all(model_.IdToPiece(static_cast<int>(id)), " "));
    }
  }
  std::string text = join_texts(join_byte_tokens(std::move(tokens)));
  if (config_.add_prefix_space && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

}  // namespace

std::shared_ptr<const Tokenizer> make_sentencepiece(const std::string& bytes,
                                                    const TokenizerConfig& config) {
  return std::make_shared<SentencePieceTokenizer>(bytes, config);
}

std::shared_ptr<const Tokenizer> open_sentencepiece(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const TokenizerConfig config = read_tokenizer_config(file.parent_path());
  try {
    return make_sentencepiece(bytes, config);
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
}

}  // namespace mop
