// Logits and greedy text equal transformers': remade by tools/golden/logits.py.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"
#include "model/forward.h"
#include "model/generate.h"
#include "model/rope_types.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

const fs::path kFolder = fs::path(MOP_SOURCE_DIR) / "tests/golden/logits";

struct Case {
  std::string name;
  fs::path model, expected;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (!entry.is_directory()) continue;
    cases.push_back({entry.path().filename(), entry.path(), entry.path() / "expected.safetensors"});
  }
  std::sort(cases.begin(), cases.end(), [](auto& a, auto& b) { return a.name < b.name; });
  cases.push_back(
      {"tinystories-12l", testing::demo_model(), kFolder / "tinystories-12l.safetensors"});
  cases.push_back({"stories260k", testing::test_data() / "models/stories260k",
                   kFolder / "stories260k.safetensors"});
  return cases;
}

struct Expected {
  at::Tensor ids_N, float32_NV, bfloat16_NV;
  Packing packing;
  int64_t stride;
};

Expected read_expected(const fs::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  Expected expected{file.tensor("ids"), file.tensor("float32"), file.tensor("bfloat16"), {}, 1};
  const at::Tensor lengths = file.tensor("lengths");
  for (int64_t i = 0; i < lengths.size(0); ++i) {
    expected.packing.lengths.push_back(lengths[i].item<int64_t>());
  }
  expected.stride = file.tensor("stride").item<int64_t>();
  return expected;
}

at::Tensor to_logits(WeightLoader& loader, const at::Tensor& hidden_ND) {
  return logits(loader.globals(), loader.model().config(), hidden_ND).to(at::kFloat);
}

at::Tensor all_packed(WeightLoader& loader, const Expected& expected) {
  return to_logits(loader, run_layers(loader, expected.ids_N, expected.packing));
}

// Small pieces: a sequence or two at a time.
at::Tensor in_pieces(WeightLoader& loader, const Expected& expected) {
  ForwardOptions options;
  options.chunk_tokens = 8;
  return to_logits(loader, run_layers(loader, expected.ids_N, expected.packing, options));
}

// All sequences through one cache: the first four tokens of each (fewer when it is shorter), then
// single tokens up to the eighth, then the rest at once. The cache starts too small and must grow.
at::Tensor through_cache(WeightLoader& loader, const Expected& expected) {
  const std::vector<int64_t>& lengths = expected.packing.lengths;
  const auto count = static_cast<int64_t>(lengths.size());
  const at::Tensor result_NV =
      at::empty({expected.ids_N.size(0), loader.model().config().vocab}, at::kFloat);
  for (int64_t s = 0, offset = 0; s < count; offset += lengths[static_cast<size_t>(s)], ++s) {
    KvCache cache(loader.model().config(), 1, 2, loader.compute());
    ForwardOptions options;
    options.cache = &cache;
    const int64_t length = lengths[static_cast<size_t>(s)];
    for (int64_t at = 0, step = 0; at < length; at += step) {
      step = std::min(length - at, at == 0 ? 4 : at < 8 ? 1 : length);
      const at::Tensor hidden_ND =
          run_layers(loader, expected.ids_N.narrow(0, offset + at, step), {{step}, {at}}, options);
      result_NV.narrow(0, offset + at, step).copy_(to_logits(loader, hidden_ND));
      EXPECT_EQ(cache.length(0), at + step);
    }
  }
  return result_NV;
}

// Several sequences of one cache side by side, each at its own place; one is cut back and run
// again.
at::Tensor through_shared_cache(WeightLoader& loader, const Expected& expected) {
  const std::vector<int64_t>& lengths = expected.packing.lengths;
  KvCache cache(loader.model().config(), static_cast<int64_t>(lengths.size()), 4, loader.compute());
  ForwardOptions options;
  options.cache = &cache;
  options.chunk_tokens = 10;
  std::vector<at::Tensor> whole = expected.ids_N.split_with_sizes(lengths);
  const auto run = [&](const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
    std::vector<at::Tensor> ids;
    Packing packing;
    for (size_t s = 0; s < whole.size(); ++s) {
      ids.push_back(whole[s].slice(0, from[s], to[s]));
      packing.lengths.push_back(to[s] - from[s]);
      packing.starts.push_back(from[s]);
    }
    const at::Tensor hidden_ND = run_layers(loader, at::cat(ids), packing, options);
    return to_logits(loader, hidden_ND).split_with_sizes(packing.lengths);
  };
  std::vector<int64_t> zero(lengths.size(), 0), part, last;
  for (const int64_t length : lengths) {
    part.push_back((length + 1) / 2);
    last.push_back(length);
  }
  std::vector<at::Tensor> head = run(zero, part);
  // The second half begins where the first ended, except in the last sequence and in those of one
  // token, which forget a token and run it again.
  std::vector<int64_t> from = part;
  for (size_t s = 0; s < from.size(); ++s) {
    if (s + 1 < from.size() && part[s] < last[s]) continue;
    cache.truncate(static_cast<int64_t>(s), --from[s]);
  }
  std::vector<at::Tensor> tail = run(from, last);
  std::vector<at::Tensor> parts;
  for (size_t s = 0; s < whole.size(); ++s) {
    parts.push_back(head[s].narrow(0, 0, from[s]));
    parts.push_back(tail[s]);
  }
  return at::cat(parts);
}

double difference(const at::Tensor& ours_NV, const at::Tensor& theirs_NV) {
  const at::Tensor theirs = theirs_NV.to(at::kFloat);
  return ((ours_NV - theirs).abs().max() / theirs.abs().max()).item<double>();
}

class Logits : public ::testing::TestWithParam<Case> {};

TEST_P(Logits, EqualTransformersPackedInPiecesAndThroughTheCache) {
  const at::NoGradGuard no_gradient;
  if (!fs::exists(GetParam().model)) GTEST_SKIP() << testing::no_test_data();
  const Expected expected = read_expected(GetParam().expected);
  const Model model = Model::open(GetParam().model);
  using Way = at::Tensor (*)(WeightLoader&, const Expected&);
  const std::pair<const char*, Way> ways[] = {{"packed", all_packed},
                                              {"pieces", in_pieces},
                                              {"cache", through_cache},
                                              {"shared cache", through_shared_cache}};
  const bool by_length = find_rope_type(model.config().rope.type, "").by_length;
  for (const auto& [dtype, theirs_NV, tolerance] :
       {std::tuple(at::kFloat, expected.float32_NV, 1e-4),
        std::tuple(at::kBFloat16, expected.bfloat16_NV, 2e-2)}) {
    WeightLoader loader(model, {dtype, c10::kCPU}, WeightLoader::Keep::kAll);
    for (const auto& [name, way] : ways) {
      // A cache holds keys that were turned for the length of their time: Greedy covers that.
      if (by_length && std::string_view(name).ends_with("cache")) continue;
      const at::Tensor ours_NV = way(loader, expected).slice(1, 0, std::nullopt, expected.stride);
      EXPECT_LE(difference(ours_NV, theirs_NV), tolerance) << name << " " << dtype_name(dtype);
    }
    WeightLoader streamed(model, {dtype, c10::kCPU}, WeightLoader::Keep::kOne);
    EXPECT_TRUE(at::equal(all_packed(streamed, expected), all_packed(loader, expected)));
  }
}

TEST_P(Logits, AreTheSameWithGradientsOn) {
  if (!fs::exists(GetParam().model)) GTEST_SKIP() << testing::no_test_data();
  const Expected expected = read_expected(GetParam().expected);
  WeightLoader loader(Model::open(GetParam().model), {});
  const at::Tensor gate = at::ones({}, at::kFloat).set_requires_grad(true);
  LayerMask mask;
  mask.attention = gate;
  ForwardOptions options;
  options.mask = [&](int64_t layer) { return layer == 0 ? &mask : nullptr; };
  const at::Tensor logits_NV =
      to_logits(loader, run_layers(loader, expected.ids_N, expected.packing, options));
  ASSERT_TRUE(logits_NV.requires_grad());
  EXPECT_LE(difference(logits_NV.detach().slice(1, 0, std::nullopt, expected.stride),
                       expected.float32_NV),
            1e-4);
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, Logits, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Greedy, TextEqualsThatOfTransformers) {
  for (const Case& one : all_cases()) {
    const fs::path golden = kFolder / (one.name + ".greedy.json");
    if (!fs::exists(golden) || !fs::exists(one.model)) continue;
    SCOPED_TRACE(one.name);
    const Json json = read_json(golden);
    WeightLoader loader(Model::open(one.model), {}, WeightLoader::Keep::kAll);
    for (const Json& run : json["runs"]) {
      const auto prompt = run["prompt"].get<std::vector<int64_t>>();
      GenerateOptions options;
      options.max_new_tokens = json["max_new_tokens"].get<int64_t>();
      EXPECT_EQ(generate(loader, prompt, options), run["made"].get<std::vector<int64_t>>());
    }
  }
}

}  // namespace
}  // namespace mop
