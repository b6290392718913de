// text/proto_wire.h -- reads the wire format of protocol buffers.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace mop {

/// Reads a message sequentially. Throws Error(kBadInput) when it is damaged.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw bad_input("damaged protocol buffer");
  }
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) throw bad_input("damaged protocol buffer");
    const std::string_view part = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return part;
  }
  /// Returns the payload of a field of the given wire type: its bytes, or `number`.
  std::string_view payload(uint64_t type, uint64_t& number) {
    number = 0;
    if (type == 0) number = varint();
    if (type == 2) return take(varint());
    if (type == 1 || type == 5) return take(type == 1 ? 8 : 4);
    if (type != 0) throw bad_input("damaged protocol buffer");
    return {};
  }

 private:
  std::string_view rest_;
};

/// Calls `visit(field, number, bytes)` for every field.
template <typename Visit>
void read_fields(std::string_view message, Visit visit) {
  Wire wire(message);
  while (!wire.done()) {
    const uint64_t key = wire.varint();
    uint64_t number = 0;
    const std::string_view bytes = wire.payload(key & 7, number);
    visit(key >> 3, number, bytes);
  }
}

/// Returns whether the bytes are a sequence of complete fields.
inline bool is_message(std::string_view bytes) {
  try {
    read_fields(bytes, [](uint64_t, uint64_t, std::string_view) {});
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace mop
