// One broken file per rule of the safetensors reader, and the words the user sees.
#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "kit/cpu_time.h"
#include "kit/random_model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::HasSubstr;

std::string prefix(uint64_t length) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return bytes;
}

std::string file_of(const std::string& header, size_t data_bytes) {
  return prefix(header.size()) + header + std::string(data_bytes, '\0');
}

// One tensor "w" of four float32: 16 bytes, correct.
const char* const kGood = R"({"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";

struct BadFile {
  std::string name;
  std::string bytes;
  std::string message;
};

BadFile bad_tensor(const std::string& name, const std::string& description, size_t data_bytes,
                   const std::string& message) {
  return {name, file_of("{\"w\":" + description + "}", data_bytes), message};
}

std::vector<BadFile> bad_files() {
  const std::string two =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[%A]},"b":{"dtype":"F32","shape":[2],"data_offsets":[%B]}})";
  const auto pair = [&](std::string a, std::string b, size_t data_bytes) {
    std::string header = two;
    header.replace(header.find("%A"), 2, a);
    header.replace(header.find("%B"), 2, b);
    return file_of(header, data_bytes);
  };
  return {
      {"Empty", "", "not a safetensors file: 0 bytes"},
      {"ShorterThanItsLength", "1234567", "not a safetensors file: 7 bytes, at least 8"},
      {"HeaderOf10GB", prefix(10'000'000'000) + "{}",
       "the header claims 10000000000 bytes, more than the 100000000 allowed"},
      {"HeaderLengthOfAllOnes", prefix(UINT64_MAX) + "{}", "more than the 100000000 allowed"},
      {"HeaderLongerThanTheFile", prefix(1000) + "{}",
       "the file is truncated: its header should have 1000 bytes, 2 are there"},
      {"HeaderNotJson", file_of("{\"w\":", 0), "the header is not valid JSON"},
      {"HeaderIsAList", file_of("[1, 2]", 0), "the header is not a JSON object"},
      {"HeaderIsEmpty", file_of("", 0), "the header is not a JSON object"},
      {"HeaderBeginsWithSpaces", file_of("  {}", 0), "the header is not a JSON object"},
      {"TextAfterTheHeader", file_of("{} {}", 0), "the header is not valid JSON"},
      {"NameNotUtf8",
       file_of("{\"w\xff\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
       "ill-formed UTF-8"},
      {"NameTwice",
       file_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
               R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
               4),
       "the header is not valid JSON: the key 'w' stands twice"},
      {"MetadataNotAnObject", file_of(R"({"__metadata__":[]})", 0),
       "__metadata__ must be an object"},
      {"MetadataNotTexts", file_of(R"({"__metadata__":{"format":1}})", 0),
       "__metadata__.format must be a text, got 1"},
      bad_tensor("DescriptionNotAnObject", "3", 0, "its description must be an object, got 3"),
      bad_tensor("NoDtype", R"({"shape":[1],"data_offsets":[0,4]})", 4, "'dtype' is missing"),
      bad_tensor("NoShape", R"({"dtype":"F32","data_offsets":[0,4]})", 4, "'shape' is missing"),
      bad_tensor("NoOffsets", R"({"dtype":"F32","shape":[1]})", 4, "'data_offsets' is missing"),
      bad_tensor("DtypeNotAText", R"({"dtype":32,"shape":[1],"data_offsets":[0,4]})", 4,
                 "its dtype must be a text, got 32"),
      bad_tensor("DtypeUnknown", R"({"dtype":"F33","shape":[1],"data_offsets":[0,4]})", 4,
                 "unknown dtype 'F33'"),
      bad_tensor("ShapeNotAList", R"({"dtype":"F32","shape":4,"data_offsets":[0,4]})", 4,
                 "its shape must be a list, got 4"),
      bad_tensor("ShapeNegative", R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4,
                 "its shape must be a list of sizes from 0 up, got [-1]"),
      bad_tensor("ShapeNotWhole", R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,4]})", 4,
                 "its shape must be a list of sizes from 0 up, got [1.5]"),
      bad_tensor("ShapeBeyondInt64",
                 R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})", 4,
                 "its shape must be a list of sizes from 0 up"),
      bad_tensor("ShapeOverflows",
                 R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0,
                 "its shape [4294967296,4294967296] is too large"),
      bad_tensor("ShapeTimesDtypeOverflows",
                 R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]})", 0,
                 "is too large"),
      bad_tensor("OffsetsNotAPair", R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", 4,
                 "its data_offsets must be two byte positions, got [0]"),
      bad_tensor("OffsetsNegative", R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})", 4,
                 "its data_offsets must be two byte positions, got [-4,0]"),
      bad_tensor("OffsetsBackwards", R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4,
                 "its data_offsets [4,0] run backwards"),
      bad_tensor("OffsetsOverflow",
                 R"({"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]})", 4,
                 "the file is truncated"),
      bad_tensor("SizeNotShapeTimesDtype",
                 R"({"dtype":"BF16","shape":[2,2],"data_offsets":[0,16]})", 16,
                 "its data_offsets span 16 bytes but shape [2,2] of BF16 takes 8"),
      {"Truncated", file_of(kGood, 15), "but the file ends at byte"},
      {"BytesLeftOver", file_of(kGood, 17), "1 bytes after the last tensor belong to no tensor"},
      {"Overlap", pair("0,8", "4,12", 12), "tensors 'a' and 'b' overlap"},
      {"SamePlace", pair("0,8", "0,8", 8), "tensors 'a' and 'b' overlap"},
      {"Gap", pair("0,8", "12,20", 20), "4 bytes before tensor 'b' belong to no tensor"},
      {"GapInFront", pair("4,12", "12,20", 20), "4 bytes before tensor 'a' belong to no tensor"},
  };
}

class BadSafetensors : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensors, IsRefusedWithItsReasonAndItsName) {
  TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  write_file(path, GetParam().bytes);
  try {
    SafetensorsFile::open(path);
    FAIL() << "was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().message));
    EXPECT_THAT(e.what(), HasSubstr(path.string()));
  }
}

INSTANTIATE_TEST_SUITE_P(OnePerRule, BadSafetensors, ::testing::ValuesIn(bad_files()),
                         [](const auto& row) { return row.param.name; });

TEST(GoodSafetensors, IsRead) {
  TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  write_file(path, file_of(kGood, 16));
  EXPECT_EQ(SafetensorsFile::open(path).tensor("w").sizes(), at::IntArrayRef({2, 2}));
}

// Cut anywhere, a real file is refused and nothing crashes.
// A header of megabytes: as many tensors as a large mixture of experts has.
TEST(GoodSafetensors, AreReadInTimeInProportionToTheirTensors) {
  const TempFolder folder;
  const auto read = [&](int tensors) {
    std::string header = "{";
    for (int i = 0; i < tensors; ++i)
      header += fmt::format(
          "\"model.layers.{}.w\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{},{}]}},", i,
          i, i + 1);
    header.back() = '}';
    std::ofstream(folder.path() / "m", std::ios::binary)
        << file_of(header, static_cast<size_t>(tensors));
    EXPECT_EQ(std::ssize(SafetensorsFile::open(folder.path() / "m").entries()), tensors);
  };
  read(20000);
  EXPECT_LT(testing::growth(read, 5000), 10);
}

TEST(BadSafetensorsCut, AnywhereIsRefused) {
  TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  const std::string whole = file_of(kGood, 16);
  for (size_t length = 0; length < whole.size(); ++length) {
    write_file(path, std::string_view(whole).substr(0, length));
    EXPECT_THROW(SafetensorsFile::open(path), Error) << length;
  }
}

// Damaged anywhere in the header, the file is refused or describes tensors inside the file.
TEST(BadSafetensorsDamage, NeverReachesOutsideTheFile) {
  TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  const std::string whole = file_of(kGood, 16);
  for (size_t place = 0; place < whole.size() - 16; ++place) {
    for (const char damage : {'0', '9', '-', '"', '}', '\0', '\xff'}) {
      std::string damaged = whole;
      damaged[place] = damage;
      std::ofstream(path, std::ios::binary | std::ios::trunc) << damaged;
      try {
        const SafetensorsFile file = SafetensorsFile::open(path);
        for (const auto& [name, entry] : file.entries()) {
          ASSERT_LE(entry.end, whole.size());
          ASSERT_EQ(file.tensor(name).nbytes(), entry.end - entry.begin);
        }
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace mop
