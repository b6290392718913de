// text/spm_model.h -- the parts of a SentencePiece model file that other formats need.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// The character that represents a blank in pieces.
inline constexpr const char* kSpmBlank = "\u2581";

enum class PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUser = 4, kUnused = 5, kByte = 6 };

struct Piece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct SpmModel {
  static constexpr int64_t kUnigram = 1, kBpe = 2;
  std::vector<Piece> pieces;
  int64_t kind = kUnigram;       ///< trainer_spec.model_type
  bool one_blank = true;         ///< normalizer_spec.remove_extra_whitespaces
  bool add_prefix = true;        ///< normalizer_spec.add_dummy_prefix
  bool changes_letters = false;  ///< normalizer_spec.precompiled_charsmap
};

/// Parses the required fields of the protocol buffer; the library does not expose the type of a
/// piece. Throws Error(kBadInput) for damaged files.
SpmModel read_spm(std::string_view bytes);

/// Returns a model file with these pieces that SentencePiece can load. Pieces of type kUnknown, and
/// those named `bos` and `eos`, become the special pieces.
std::string write_spm(const SpmModel& model, const std::optional<int64_t>& bos,
                      const std::optional<int64_t>& eos);

}  // namespace mop
