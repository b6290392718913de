// tests/unit/run/run_samples_test.cc -- run/samples.json of a result that another made.
#include "run/run_samples.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "run/eval_overlap.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<uint64_t> hashes_in(const char* text) {
  return recorded_line_hashes(Json::parse(text));
}

TEST(RecordedLines, AreHexadecimal) {
  EXPECT_THAT(hashes_in(R"({"calibration": {"list": [{"lines": ["00000000000000ff", "1"]}, {}]},
                            "validation": {"list": [{"lines": ["ffffffffffffffff"]}]}})"),
              ElementsAre(255, 1, UINT64_MAX));
  EXPECT_THAT(hashes_in("{}"), IsEmpty());
  EXPECT_THAT(hashes_in(R"({"calibration": null, "validation": {}})"), IsEmpty());
}

TEST(RecordedLines, OfAnotherFormAreRefused) {
  for (const char* text :
       {"[]", "3", R"({"calibration": [5]})", R"({"calibration": {"list": 5}})",
        R"({"calibration": {"list": [5]}})", R"({"calibration": {"list": [{"lines": {}}]}})",
        R"({"calibration": {"list": [{"lines": ["x"]}]}})",
        R"({"calibration": {"list": [{"lines": [""]}]}})",
        R"({"calibration": {"list": [{"lines": [7]}]}})",
        R"({"calibration": {"list": [{"lines": ["10000000000000000"]}]}})"}) {
    EXPECT_NE(testing::refusal_of([&] { hashes_in(text); }), "nothing was refused") << text;
  }
}

class Warnings : public Progress {
 public:
  void warn(std::string_view text) override { all.emplace_back(text); }
  std::vector<std::string> all;
};

// They serve a warning only.
TEST(RecordedLines, OfADamagedRecordAreUnknownAndThatIsTold) {
  const testing::TempFolder folder;
  std::filesystem::create_directories(folder.path() / "run");
  const std::vector<std::string> texts = {"a text"};
  for (const char* text : {R"({"calibration": [5]})", "{\"cal"}) {
    write_file(folder.path() / "run/samples.json", text);
    Warnings warnings;
    const KnownLines known(folder.path(), "", warnings);
    EXPECT_TRUE(known.check(texts, "the text", warnings).is_null());
    EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("run/samples.json cannot be read: ")));
  }
}

}  // namespace
}  // namespace mop
