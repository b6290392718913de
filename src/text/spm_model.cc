// text/spm_model.cc
#include "text/spm_model.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "text/proto_wire.h"

namespace mop {
namespace {

Piece read_piece(std::string_view message) {
  Piece piece;
  read_fields(message, [&](uint64_t field, uint64_t number, std::string_view bytes) {
    if (field == 1) piece.text = bytes;
    if (field == 2 && bytes.size() == sizeof piece.score) {
      std::memcpy(&piece.score, bytes.data(), sizeof piece.score);
    }
    if (field == 3) piece.type = static_cast<PieceType>(number);
  });
  return piece;
}

// Writes protocol buffer fields, numbered as in SentencePiece's model.
class Message {
 public:
  void number(uint64_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void real(uint64_t field, float value) {
    varint(field << 3 | 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(uint64_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

}  // namespace

SpmModel read_spm(std::string_view bytes) {
  SpmModel model;
  read_fields(bytes, [&](uint64_t field, uint64_t, std::string_view message) {
    if (field == 1) model.pieces.push_back(read_piece(message));
    if (field != 2 && field != 3) return;
    read_fields(message, [&](uint64_t inner, uint64_t number, std::string_view value) {
      if (field == 2 && inner == 3) model.kind = static_cast<int64_t>(number);
      if (field == 3 && inner == 2) model.changes_letters = !value.empty();
      if (field == 3 && inner == 3) model.add_prefix = number != 0;
      if (field == 3 && inner == 4) model.one_blank = number != 0;
    });
  });
  return model;
}

std::string write_spm(const SpmModel& model, const std::optional<int64_t>& bos,
                      const std::optional<int64_t>& eos) {
  Message file;
  for (const Piece& piece : model.pieces) {
    Message one;
    one.text(1, piece.text);
    one.real(2, piece.score);
    one.number(3, static_cast<uint64_t>(piece.type));
    file.text(1, one.bytes());
  }
  const auto unknown = std::ranges::find(model.pieces, PieceType::kUnknown, &Piece::type);
  // -1 (absent) is encoded as a ten-byte varint.
  const auto id = [](int64_t value) { return static_cast<uint64_t>(value); };
  const auto is_byte = [](const Piece& piece) { return piece.type == PieceType::kByte; };
  Message trainer;
  trainer.number(3, static_cast<uint64_t>(model.kind));
  trainer.number(4, model.pieces.size());
  trainer.number(35, std::ranges::any_of(model.pieces, is_byte));  // byte_fallback
  trainer.number(40, unknown == model.pieces.end() ? 0 : id(unknown - model.pieces.begin()));
  trainer.number(41, id(bos.value_or(-1)));
  trainer.number(42, id(eos.value_or(-1)));
  trainer.number(43, id(-1));  // pad
  if (unknown != model.pieces.end()) trainer.text(45, unknown->text);
  if (bos) trainer.text(46, model.pieces.at(static_cast<size_t>(*bos)).text);
  if (eos) trainer.text(47, model.pieces.at(static_cast<size_t>(*eos)).text);
  file.text(2, trainer.bytes());
  Message normalizer;
  normalizer.text(1, "identity");
  normalizer.number(3, model.add_prefix);
  normalizer.number(4, model.one_blank);
  normalizer.number(5, 1);  // escape_whitespaces
  file.text(3, normalizer.bytes());
  return file.bytes();
}

}  // namespace mop
