// text/text_file.cc
#include "text/text_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "text/unicode.h"

namespace mop {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

struct Encoding {
  std::string_view name;
  std::string_view mark;
  size_t unit;  ///< in bytes
  bool big_endian;
};

// UTF-32 first: the mark of UTF-16LE is a prefix of that of UTF-32LE.
constexpr std::array kEncodings = {
    Encoding{"UTF-32LE", "\xFF\xFE\0\0"sv, 4, false},
    Encoding{"UTF-32BE", "\0\0\xFE\xFF"sv, 4, true},
    Encoding{"UTF-16LE", "\xFF\xFE"sv, 2, false},
    Encoding{"UTF-16BE", "\xFE\xFF"sv, 2, true},
};

struct Magic {
  std::string_view bytes;
  std::string_view kind;
  std::string_view hint;
};

constexpr std::array kMagics = {
    Magic{"\x1F\x8B", "a gzip file", "unpack it with gunzip"},
    Magic{"PK\x03\x04", "a zip archive", "unpack it with unzip"},
    Magic{"\x28\xB5\x2F\xFD", "a Zstandard file", "unpack it with unzstd"},
    Magic{"\xFD"
          "7zXZ\0"sv,
          "an xz file", "unpack it with unxz"},
    Magic{"BZh", "a bzip2 file", "unpack it with bunzip2"},
    Magic{"PAR1", "a Parquet file", "name it .parquet, or convert it to .jsonl"},
    Magic{"ARROW1", "an Arrow file", "convert it to .jsonl"},
    Magic{"GGUF", "a GGUF model", "give a text"},
    Magic{"%PDF-", "a PDF document", "give its text"},
    Magic{"\x89PNG", "a PNG image", "give a text"},
    Magic{"SQLite format 3\0"sv, "an SQLite database", "convert it to .jsonl"},
    Magic{"\x7F"
          "ELF",
          "a program", "give a text"},
};

// Safetensors files begin with the length of their JSON header.
bool is_safetensors(std::string_view content) {
  uint64_t length = 0;
  if (content.size() < sizeof length + 2) return false;
  std::memcpy(&length, content.data(), sizeof length);
  return length < content.size() && content.substr(sizeof length, 2) == "{\"";
}

void refuse_binary_file(std::string_view content) {
  for (const Magic& magic : kMagics) {
    // Some of these signatures are letters, with which a text may begin too.
    const bool is_binary = !is_valid_utf8(content.substr(0, 4096)) ||
                           content.substr(0, 4096).find('\0') != content.npos;
    if (content.starts_with(magic.bytes) && is_binary) {
      throw bad_input("the file is not text: it seems to be {}", magic.kind)
          .hint(std::string(magic.hint));
    }
  }
  if (is_safetensors(content)) {
    throw bad_input("the file is not text: it seems to be a safetensors file").hint("give a text");
  }
}

int64_t line_at(std::string_view content, size_t at) {
  return 1 + std::count(content.begin(), content.begin() + static_cast<ptrdiff_t>(at), '\n');
}

// Western text in UTF-16 has a zero in every second byte.
std::string_view seems_utf16(std::string_view content) {
  const std::string_view start = content.substr(0, 256);
  std::array<size_t, 2> zeros{};
  for (size_t i = 0; i < start.size(); ++i) zeros[i % 2] += start[i] == '\0' ? 1 : 0;
  const size_t many = start.size() / 3;
  if (zeros[1] >= many && zeros[0] == 0) return "UTF-16LE";
  if (zeros[0] >= many && zeros[1] == 0) return "UTF-16BE";
  return "";
}

[[noreturn]] void refuse_zero_byte(std::string_view content, size_t at) {
  const std::string_view encoding = seems_utf16(content);
  const int64_t line = line_at(content, at);
  if (encoding.empty()) {
    throw bad_input("line {} holds a zero byte, at offset {}: the file is not text", line, at);
  }
  throw bad_input("the file seems to be {} without a byte order mark: line {} holds zero bytes",
                  encoding, line)
      .hint(fmt::format("convert it: iconv -f {} -t UTF-8", encoding));
}

// Returns the position of the first zero byte or ill-formed sequence; npos when there is none.
size_t first_not_text(std::string_view content) {
  size_t at = 0;
  while (at < content.size()) {
    uint64_t eight = 0;
    if (content.size() - at >= sizeof eight) {
      std::memcpy(&eight, content.data() + at, sizeof eight);
      const bool zero = ((eight - 0x0101010101010101ULL) & ~eight & 0x8080808080808080ULL) != 0;
      if ((eight & 0x8080808080808080ULL) == 0 && !zero) {
        at += sizeof eight;
        continue;
      }
    }
    const size_t length = well_formed_bytes(content.substr(at, 4));
    if (length == 0 || content[at] == '\0') return at;
    at += length;
  }
  return content.npos;
}

// Reads one code unit.
char32_t unit_at(std::string_view content, size_t at, const Encoding& encoding) {
  char32_t value = 0;
  for (size_t i = 0; i < encoding.unit; ++i) {
    const size_t byte = encoding.big_endian ? i : encoding.unit - 1 - i;
    value = value << 8 | static_cast<unsigned char>(content[at + byte]);
  }
  return value;
}

bool is_surrogate(char32_t value) { return value >= 0xD800 && value < 0xE000; }

std::string decode(std::string_view content, const Encoding& encoding) {
  const auto refuse = [&](size_t at) {
    throw bad_input("the text is {} by its byte order mark, and broken at byte {}", encoding.name,
                    at);
  };
  std::string text;
  for (size_t at = encoding.mark.size(); at < content.size(); at += encoding.unit) {
    if (content.size() - at < encoding.unit) refuse(at);
    char32_t value = unit_at(content, at, encoding);
    if (encoding.unit == 2 && is_surrogate(value) && content.size() - at >= 4) {
      const char32_t second = unit_at(content, at + 2, encoding);
      if (value < 0xDC00 && second >= 0xDC00 && second < 0xE000) {
        value = 0x10000 + ((value - 0xD800) << 10) + (second - 0xDC00);
        at += 2;
      }
    }
    if (is_surrogate(value) || value > 0x10FFFF) refuse(at);
    append_utf8(value, text);
  }
  return text;
}

}  // namespace

size_t utf8_mark(std::string_view content) {
  return content.starts_with(kUtf8Mark) ? kUtf8Mark.size() : 0;
}

std::optional<std::string> decode_by_mark(std::string_view content) {
  for (const Encoding& encoding : kEncodings) {
    if (content.starts_with(encoding.mark)) return decode(content, encoding);
  }
  return std::nullopt;
}

void check_is_text(std::string_view content) {
  refuse_binary_file(content);
  const size_t at = first_not_text(content);
  if (at == content.npos) return;
  if (content[at] == '\0') refuse_zero_byte(content, at);
  throw bad_input("line {} is not UTF-8: byte 0x{:02X} at offset {} of the file",
                  line_at(content, at), static_cast<unsigned char>(content[at]), at)
      .hint("convert the file, from Windows' encoding say: iconv -f WINDOWS-1252 -t UTF-8");
}

std::string read_text(const std::filesystem::path& file) {
  std::string content = read_file(file);
  try {
    if (auto decoded = decode_by_mark(content)) content = *std::move(decoded);
    check_is_text(content);
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
  return content.substr(utf8_mark(content));
}

}  // namespace mop
