// device/rope_test.cc -- every kind of rotary positions, on the device and on the CPU.
#include <ATen/core/grad_mode.h>

#include "device/jobs.h"
#include "model/generate.h"
#include "model/rope_types.h"

namespace mop::testing {
namespace {

class Rope : public OnDevice {
 protected:
  // Eight positions were trained on.
  Model make(std::string_view type) {
    Json scaling = {{"rope_type", type}, {"factor", 4.0}};
    Json extra = {{"max_position_embeddings", type == "dynamic" ? 8 : 64}};
    if (type == "yarn" || type == "longrope" || type == "llama3") {
      scaling["original_max_position_embeddings"] = 8;
    }
    if (type == "longrope") {
      scaling["short_factor"] = {1.0, 1.5, 2.0, 2.5};
      scaling["long_factor"] = {1.0, 3.0, 5.0, 7.0};
    }
    if (type == "llama3") scaling["low_freq_factor"] = 1.0, scaling["high_freq_factor"] = 4.0;
    extra["rope_scaling"] = scaling;
    write_random_model(folder_.path(), {.extra = extra.dump()});
    return Model::open(folder_.path());
  }

  static at::Tensor packed(const Model& model, const Compute& compute, const Packing& packing) {
    const at::NoGradGuard no_gradients;
    WeightLoader weights(model, compute);
    const at::Tensor ids_N = at::arange(packing.tokens(), at::kLong);
    return run_layers(weights, ids_N, packing).cpu();
  }

  static at::Tensor decoded(const Model& model, const Compute& compute) {
    WeightLoader weights(model, compute, WeightLoader::Keep::kAll);
    Decoder decoder(weights, 2, 16);
    std::vector<at::Tensor> steps;
    for (int64_t i = 0; i < 6; ++i) {
      const at::Tensor ids_BT = at::arange(4, at::kLong).view({2, 2}) + 3 * i;
      steps.push_back(decoder.feed(ids_BT).cpu());
    }
    return at::cat(steps);
  }
};

TEST_F(Rope, EveryTypeComputesWhatItDoesOnTheCpu) {
  for (const RopeType& type : all_rope_types()) {
    const Model model = make(type.name);
    for (const Packing& packing :
         {Packing{{5}}, Packing{{12}}, Packing{{12, 7}}, Packing{{3, 4}, {5, 0}},
          Packing{{6, 3, 1}, {0, 6, 6}, {false, true, true}}}) {
      expect_close(packed(model, device_compute(), packing), packed(model, cpu_compute(), packing),
                   std::string(type.name));
    }
    expect_close(decoded(model, device_compute()), decoded(model, cpu_compute()),
                 std::string(type.name) + ", decoded");
  }
}

}  // namespace
}  // namespace mop::testing
