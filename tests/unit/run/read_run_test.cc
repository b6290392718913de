// tests/unit/run/read_run_test.cc -- reports of runs whose files have other values than ours.
#include "run/read_run.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "kit/random_model.h"
#include "kit/refusal.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Reads a run of one step with these metrics.
RunReport read(const Json& metrics) {
  const testing::TempFolder folder;
  const fs::path run = folder.path() / "run", step = run / "steps" / "01";
  fs::create_directories(step);
  write_file(run / "manifest.json", R"({"program": "mop"})");
  write_file(step / "plan.json", R"({"branch": "width", "parameters": 1, "layers": []})");
  write_file(step / "metrics.json", to_text(metrics));
  return read_run(folder.path());
}

Json counts(const Json& edges, const Json& kept, const char* scale = "linear") {
  return {{"scores",
           {{{"criterion", "c"},
             {"unit", "neuron"},
             {"scale", scale},
             {"edges", edges},
             {"kept", kept},
             {"removed", {0, 0}}}}}};
}

TEST(ReadRun, ScoresThatCannotBeDrawnAreLeftOut) {
  EXPECT_THAT(read(counts({1, 2, 3}, {1, 1})).scores, SizeIs(1));
  EXPECT_THAT(read(counts({1, 1, 1}, {1, 1})).scores, IsEmpty());
  EXPECT_THAT(read(counts({1, "x", 3}, {1, 1})).scores, IsEmpty());
  EXPECT_THAT(read(counts({3, 2, 1}, {1, 1})).scores, IsEmpty());
  EXPECT_THAT(read(counts({1, 2, 3}, {1, -1})).scores, IsEmpty());
  EXPECT_THAT(read(counts({1, 2, 3}, {INT64_MAX, 1})).scores, IsEmpty());
  EXPECT_THAT(read(counts({0, 2, 3}, {1, 1}, "log")).scores, IsEmpty());
}

TEST(ReadRun, SizesOfAnotherFormNameTheirFile) {
  const Json layer = {{"heads", 2}, {"kv_heads", 2}, {"head_dim", 4}, {"mlp", 8}};
  const RunReport run = read({{"layers", {layer}}, {"tower", Json::array()}, {"hidden", "x"}});
  EXPECT_EQ(run.steps.at(0).shape, "1 layers, 2 heads, 2 KV heads, MLP 8; tower: no layers");
  for (const Json& value : {Json(-1), Json("x"), Json(int64_t{1} << 40), Json()}) {
    Json other = layer;
    other["mlp"] = value;
    EXPECT_THAT(testing::refusal_of([&] {
                  read({{"layers", {other}}});
                }),
                AllOf(HasSubstr("'mlp'"), HasSubstr("steps/01/metrics.json")));
  }
  EXPECT_THAT(testing::refusal_of([&] {
                read({{"layers", {5}}});
              }),
              HasSubstr("steps/01/metrics.json"));
}

// It is another program's folder.
TEST(ReadRun, AManifestOfAnotherFormIsNoRun) {
  const testing::TempFolder folder;
  fs::create_directories(folder.path() / "run");
  for (const char* text : {R"({"program": 5})", "[]", "{}"}) {
    write_file(folder.path() / "run/manifest.json", text);
    EXPECT_THAT(testing::refusal_of([&] { read_run(folder.path()); }),
                HasSubstr("not the folder of a run"));
  }
}

}  // namespace
}  // namespace mop
