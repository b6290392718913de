// Parquet files against what pyarrow reads in them (tests/golden/parquet, remade by
// tools/golden/parquet.py).
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "text/parquet_rows.h"
#include "text/record_file.h"
#include "text/samples.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const fs::path kHome = fs::path(MOP_SOURCE_DIR) / "tests/golden/parquet";

std::string refusal(const fs::path& file, ErrorKind kind = ErrorKind::kBadInput) {
  try {
    RecordFile::open(file);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind);
    return e.what();
  }
  return "nothing was refused";
}

class Parquet : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      parquet_json_lines(kHome / "snappy-text.parquet");
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::kUsage) GTEST_SKIP() << "built without Arrow";
      throw;
    }
  }
  testing::TempFolder folder_;
};

TEST_F(Parquet, RowsAreTheRecordsThatPyarrowReads) {
  const Json expected = read_json(kHome / "expected.json");
  int64_t files = 0;
  for (const auto& [name, rows] : expected.items()) {
    if (name == "made_by") continue;
    const RecordFile file = RecordFile::open(kHome / (name + ".parquet"));
    ASSERT_EQ(file.size(), std::ssize(rows)) << name;
    for (int64_t i = 0; i < file.size(); ++i)
      EXPECT_EQ(file.json(i), rows[static_cast<size_t>(i)]) << name << " row " << i;
    ++files;
  }
  EXPECT_EQ(files, 6);
}

TEST_F(Parquet, ColumnsBecomeSamplesAsJsonFieldsDo) {
  const auto texts = read_samples(kHome / "snappy-text.parquet");
  ASSERT_EQ(texts.size(), 50u);
  EXPECT_EQ(texts[49], "line 49 of \"many\" words\t");
  EXPECT_THAT(
      read_samples(kHome / "gzip-alpaca.parquet"),
      ElementsAre("Instruction: Add.\nInput: 1 2\nResponse:", "Instruction: Sing.\nResponse:"));
}

TEST_F(Parquet, ErrorsNameTheRow) {
  const RecordFile file = RecordFile::open(kHome / "task.parquet");
  EXPECT_EQ(file.where(1), "row 2");
  EXPECT_EQ(file.sha256(), sha256(read_file(kHome / "task.parquet"))) << "of the file itself";
  EXPECT_FALSE(file.is_text());
}

TEST_F(Parquet, DamagedFilesAreRefused) {
  const std::string whole = read_file(kHome / "zstd-messages.parquet");
  const fs::path file = folder_.path() / "a.parquet";
  for (const std::string& bytes :
       {std::string("text"), std::string(), whole.substr(0, 200), whole.substr(100)}) {
    write_file(file, bytes);
    EXPECT_THAT(refusal(file),
                AllOf(HasSubstr("the Parquet file cannot be read"), HasSubstr(file.string())));
  }
}

TEST_F(Parquet, NoTemporaryFileIsLeft) {
  const fs::path temporary = folder_.path() / "tmp";
  fs::create_directory(temporary);
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", temporary.c_str(), 1);
  const RecordFile file = RecordFile::open(kHome / "task.parquet");
  EXPECT_TRUE(fs::is_empty(temporary));
  EXPECT_EQ(file.json(0)["goal"], "Open a jar");
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
}

TEST(ParquetLibrary, ItsAbsenceSaysWhatToDo) {
  ::setenv("MOP_PARQUET_LIBRARY", "/nonexistent/libmop_parquet.so", 1);
  const std::string text = refusal(kHome / "task.parquet", ErrorKind::kUsage);
  ::unsetenv("MOP_PARQUET_LIBRARY");
  EXPECT_THAT(text, AllOf(HasSubstr("libmop_parquet.so is not there"),
                          HasSubstr("build with Arrow (./run build)"), HasSubstr("to_json")));
}

}  // namespace
}  // namespace mop
