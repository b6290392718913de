#include "text/text_file.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "text/record_file.h"

namespace mop {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TextFile : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, std::string_view bytes) {
    write_file(folder_.path() / name, bytes);
    return folder_.path() / name;
  }
  std::string text_of(std::string_view bytes) { return read_text(file("a.txt", bytes)); }
  // Of the text read whole and of the records of a .txt and a .jsonl, which must agree.
  std::string refusal(std::string_view bytes) {
    const std::string whole = refusal_of([&] { text_of(bytes); }, "a.txt");
    for (const char* name : {"a.txt", "a.jsonl"}) {
      const std::string records = refusal_of([&] { RecordFile::open(file(name, bytes)); }, name);
      EXPECT_EQ(records.substr(0, records.find('\n')), whole.substr(0, whole.find('\n')));
    }
    return whole;
  }

 private:
  template <typename Read>
  std::string refusal_of(Read read, const std::string& name) {
    const std::string text = testing::refusal_of(read);
    EXPECT_THAT(text, AnyOf("nothing was refused", HasSubstr((folder_.path() / name).string())));
    return text;
  }
  testing::TempFolder folder_;
};

// "aé\n😀" in each encoding, as Python writes it.
TEST_F(TextFile, ByteOrderMarksSayHowToDecode) {
  const std::string text = "a\u00e9\n\U0001F600";
  EXPECT_EQ(text_of(text), text);
  EXPECT_EQ(text_of("\xEF\xBB\xBF" + text), text);
  EXPECT_EQ(text_of("\xFF\xFE"
                    "a\0\xE9\0\n\0\x3D\xD8\x00\xDE"s),
            text);
  EXPECT_EQ(text_of("\xFE\xFF\0a\0\xE9\0\n\xD8\x3D\xDE\x00"s), text);
  EXPECT_EQ(text_of("\xFF\xFE\0\0a\0\0\0\xE9\0\0\0\n\0\0\0\x00\xF6\x01\x00"s), text);
  EXPECT_EQ(text_of("\0\0\xFE\xFF\0\0\0a\0\0\0\xE9\0\0\0\n\0\x01\xF6\x00"s), text);
}

TEST_F(TextFile, RecordsOfAnotherEncodingAreTheSame) {
  const auto path = file("a.txt", "\xFF\xFEo\0n\0e\0\r\0\n\0\r\0\n\0\xE9\0"s);
  const RecordFile records = RecordFile::open(path);
  ASSERT_EQ(records.size(), 2);
  EXPECT_EQ(records.text(0), "one");
  EXPECT_EQ(records.text(1), "\u00e9");
  EXPECT_EQ(records.where(1), "line 3");
  EXPECT_EQ(records.sha256(), sha256(read_file(path))) << "of the file, not of the decoded text";
}

TEST_F(TextFile, BrokenUtf16NamesTheEncodingAndTheByte) {
  EXPECT_THAT(refusal("\xFF\xFE"
                      "a\0b"s),
              HasSubstr("UTF-16LE by its byte order mark, and broken at byte 4"));
  EXPECT_THAT(refusal("\xFE\xFF\xD8\x3D\0a"s), HasSubstr("UTF-16BE")) << "half a pair";
  EXPECT_THAT(refusal("\xFE\xFF\xDE\x00\0a"s), HasSubstr("broken at byte 2"));
  EXPECT_THAT(refusal("\0\0\xFE\xFF\0\x11\0\0"s), HasSubstr("UTF-32BE"));
}

TEST_F(TextFile, IllFormedUtf8NamesLineAndOffset) {
  EXPECT_THAT(refusal("a long first line\nand a caf\xE9 in the second\n"),
              AllOf(HasSubstr("line 2 is not UTF-8: byte 0xE9 at offset 27 of the file"),
                    HasSubstr("iconv -f WINDOWS-1252 -t UTF-8")));
  EXPECT_THAT(refusal("ends amid a character \xE4\xB8"), HasSubstr("byte 0xE4 at offset 22"));
  EXPECT_THAT(refusal("{\"text\": \"\xED\xA0\x80\"}"), HasSubstr("line 1 is not UTF-8"));
}

TEST_F(TextFile, ZeroBytesAreNoText) {
  EXPECT_THAT(refusal("one\ntwo \0 three"s), HasSubstr("line 2 holds a zero byte, at offset 8"));
  EXPECT_THAT(refusal("o\0n\0e\0\n\0"s),
              AllOf(HasSubstr("seems to be UTF-16LE without a byte order mark"),
                    HasSubstr("iconv -f UTF-16LE -t UTF-8")));
  EXPECT_THAT(refusal("\0o\0n\0e\0\n"s), HasSubstr("seems to be UTF-16BE"));
}

TEST_F(TextFile, BinaryFilesAreNamed) {
  EXPECT_THAT(refusal("\x1F\x8B\x08\0\0\0"s),
              AllOf(HasSubstr("seems to be a gzip file"), HasSubstr("gunzip")));
  EXPECT_THAT(refusal("PK\x03\x04\x14\0\0"s), HasSubstr("a zip archive"));
  EXPECT_THAT(refusal("\x28\xB5\x2F\xFD\x04"s), HasSubstr("a Zstandard file"));
  EXPECT_THAT(refusal("PAR1\x15\0\x15"s), HasSubstr("a Parquet file"));
  EXPECT_THAT(refusal("GGUF\x03\0\0\0"s), HasSubstr("a GGUF model"));
  EXPECT_THAT(refusal("\x0C\0\0\0\0\0\0\0{\"a\": [1, 2]}"s), HasSubstr("a safetensors file"));
  EXPECT_EQ(text_of("PAR1 is how the file begins"), "PAR1 is how the file begins");
}

}  // namespace
}  // namespace mop
