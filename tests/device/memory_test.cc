// device/memory_test.cc -- a device whose memory runs out: one clear error that names --resume, the
// work that was done kept, and the same result in the end.
#include <optional>

#include "base/error.h"
#include "device/jobs.h"
#include "jobs/prune.h"
#include "jobs/recover.h"
#include "recipe/recipe.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Takes the device's free memory away when the part of the work called `what` begins for the
// `times`-th time.
class Squeeze : public Progress {
 public:
  Squeeze(std::string what, int64_t times) : what_(std::move(what)), left_(times) {}
  void begin(std::string_view what, int64_t) override {
    if (what == what_ && --left_ == 0) limit_.emplace(0);
  }
  bool squeezed() const { return limit_.has_value(); }
  void release() { limit_.reset(); }

 private:
  std::string what_;
  int64_t left_;
  std::optional<MemoryLimit> limit_;
};

// The one error that `work` ends with.
template <typename Work>
std::string error_of(Work&& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

void expect_out_of_memory(const std::string& error) {
  EXPECT_THAT(error, HasSubstr("memory"));
  EXPECT_THAT(error, HasSubstr("--resume"));
  EXPECT_THAT(error, HasSubstr("hint:"));
  EXPECT_THAT(error, Not(HasSubstr("frame #")));
}

class Memory : public OnDevice {
 protected:
  fs::path out(const std::string& name) const { return folder_.path() / name; }
};

Json prune_on_device(const fs::path& out, IfThere if_there, Progress& progress) {
  const Json recipe = {{"model", demo_model().string()},
                       {"calibration",
                        {{"file", demo_calibration().string()},
                         {"samples", 8},
                         {"sample", "first"},
                         {"max_tokens", 32}}},
                       {"target", {{"iterations", 3}}},
                       {"select", "perplexity"},
                       {"compute", {{"device", "opaque"}, {"dtype", "float32"}}}};
  return prune(recipe_from_json(recipe), {out, if_there}, progress);
}

TEST_F(Memory, APruningThatRanOutOfItContinuesToTheSameBytes) {
  prune_on_device(out("whole"), IfThere::kRefuse, silent_progress());
  for (const auto& [what, times] : {std::pair("gathering statistics", 2), {"validation", 3}}) {
    SCOPED_TRACE(what);
    const fs::path folder = out(std::string("stopped at ") + what);
    Squeeze squeeze(what, times);
    expect_out_of_memory(error_of([&] { prune_on_device(folder, IfThere::kRefuse, squeeze); }));
    ASSERT_TRUE(squeeze.squeezed());
    squeeze.release();
    prune_on_device(folder, IfThere::kResume, silent_progress());
    expect_same_model(folder, out("whole"));
    EXPECT_EQ(read_json(folder / "run/plan.json")["steps"],
              read_json(out("whole") / "run/plan.json")["steps"]);
  }
}

// Takes the memory away when so much of the work is done that was begun last.
class SqueezeBehind : public Progress {
 public:
  explicit SqueezeBehind(double fraction) : fraction_(fraction) {}
  void begin(std::string_view, int64_t total) override { total_ = static_cast<double>(total); }
  void advance(int64_t done) override {
    if (static_cast<double>(done) >= fraction_ * total_ && !limit_) limit_.emplace(0);
  }
  bool squeezed() const { return limit_.has_value(); }
  void release() { limit_.reset(); }

 private:
  double fraction_, total_ = 0;
  std::optional<MemoryLimit> limit_;
};

TEST_F(Memory, ATrainingThatRanOutOfItContinuesWithTheSameLosses) {
  const fs::path model = small_model(folder_.path());
  const auto train = [&](const fs::path& folder, IfThere if_there, Progress& progress) {
    const Json recipe = {{"model", model.string()},
                         {"method", "lora"},
                         {"tokens", 900},
                         {"accumulate", 4},
                         {"data", {{"file", demo_calibration().string()}, {"max_tokens", 40}}},
                         {"validation", {{"samples", 0}}},
                         {"compute", {{"device", "opaque"}, {"dtype", "float32"}}}};
    return recover(recover_recipe(recipe), {folder, if_there}, progress);
  };
  train(out("whole"), IfThere::kRefuse, silent_progress());
  SqueezeBehind squeeze(0.4);
  expect_out_of_memory(error_of([&] { train(out("stopped"), IfThere::kRefuse, squeeze); }));
  ASSERT_TRUE(squeeze.squeezed());
  squeeze.release();
  const auto before = read_file(out("stopped").string() + ".partial/run/metrics.jsonl");
  EXPECT_THAT(before, HasSubstr("\"loss\""));
  train(out("stopped"), IfThere::kResume, silent_progress());
  auto whole = training_steps(out("whole")), stopped = training_steps(out("stopped"));
  for (auto* steps : {&whole, &stopped}) {
    for (Json& step : *steps) step.erase("timing");
  }
  EXPECT_EQ(stopped, whole);
  expect_same_model(out("stopped"), out("whole"));
}

TEST_F(Memory, AModelThatCannotFitIsRefusedBeforeTheWork) {
  const MemoryLimit limit(int64_t{100} << 10);
  const std::string error =
      error_of([&] { prune_on_device(out("never"), IfThere::kRefuse, silent_progress()); });
  EXPECT_THAT(error, HasSubstr("memory"));
  EXPECT_THAT(error, Not(HasSubstr("frame #")));
  EXPECT_FALSE(fs::exists(out("never")));
}

}  // namespace
}  // namespace mop::testing
