// device/jobs.h -- jobs of the library on the CPU and on the opaque device, in float32.
#pragma once
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "device/opaque_device.h"
#include "jobs/recover.h"
#include "jobs/tasks.h"
#include "kit/random_model.h"
#include "run/runtime.h"

namespace mop::testing {

namespace fs = std::filesystem;

/// Whatever is done on the device, its streams must have been in order.
class OnDevice : public ::testing::Test {
 protected:
  OnDevice() { opaque_device(); }
  ~OnDevice() override { EXPECT_THAT(take_hazards(), ::testing::IsEmpty()); }

  TempFolder folder_;
};

inline ComputeChoice in_float32(const std::string& device) { return {device, "float32"}; }
inline Compute device_compute() { return open_compute("opaque", "float32"); }
inline Compute cpu_compute() { return open_compute("cpu", "float32"); }

inline constexpr double kClose = 2e-6;  // float32: sums in another order

inline void expect_close(const at::Tensor& device, const at::Tensor& cpu, const std::string& what) {
  ASSERT_EQ(device.sizes(), cpu.sizes()) << what;
  const at::Tensor a = device.to(at::kDouble), b = cpu.to(at::kDouble);
  const double largest = b.abs().max().item<double>();
  EXPECT_LE((a - b).abs().max().item<double>(), kClose * largest) << what;
}

inline void expect_close(double device, double cpu, double relative = kClose) {
  EXPECT_NEAR(device, cpu, relative * std::abs(cpu));
}

/// Numbers close, all else equal. Keys in `ignored` are not looked at, wherever they stand.
inline void expect_close_json(const Json& device, const Json& cpu,
                              const std::vector<std::string>& ignored = {},
                              const std::string& where = "") {
  if (cpu.is_number_float()) {
    ASSERT_TRUE(device.is_number()) << where;
    EXPECT_NEAR(device.get<double>(), cpu.get<double>(),
                1e-5 * std::max(1e-3, std::abs(cpu.get<double>())))
        << where;
  } else if (cpu.is_structured()) {
    ASSERT_EQ(device.size(), cpu.size()) << where;
    for (const auto& [key, value] : cpu.items()) {
      if (std::find(ignored.begin(), ignored.end(), key) != ignored.end()) continue;
      if (cpu.is_object()) {
        ASSERT_TRUE(device.contains(key)) << where << "." << key;
      }
      const Json& other = cpu.is_object() ? device.at(key) : device.at(std::stoul(key));
      expect_close_json(other, value, ignored, where + "." + key);
    }
  } else {
    EXPECT_EQ(device, cpu) << where;
  }
}

/// Files of the two folders that hold a model, and nothing else, are equal.
inline void expect_same_model(const fs::path& device, const fs::path& cpu) {
  for (const char* file : {"model.safetensors", "config.json"}) {
    EXPECT_TRUE(read_file(device / file) == read_file(cpu / file)) << file;
  }
}

/// The demo model's config with two layers, random weights: folder/config.json, folder/model.
inline fs::path small_model(const fs::path& folder) {
  Json config = read_json(demo_model() / "config.json");
  config["num_hidden_layers"] = 2;
  write_file(folder / "config.json", to_text(config));
  write_initial_model(folder / "config.json", demo_model(), 1, folder / "model");
  return folder / "model";
}

/// The lines of a run's metrics.jsonl that tell of a step.
inline std::vector<Json> training_steps(const fs::path& out) {
  std::vector<Json> steps;
  std::istringstream text(read_file(out / "run/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    Json step = Json::parse(line);
    if (step.contains("loss")) steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace mop::testing
