// tests/readers/write_models.cc -- prunes small models of every family by hand, writes them with
// export/ and puts our logits beside them: write_models OUT [MODEL...]. Outside readers then
// compare.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <iostream>

#include "base/error.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "export/hf_writer.h"
#include "kit/random_model.h"
#include "model/composite.h"
#include "model/forward.h"
#include "surgery/surgery.h"
#include "unit/export/pruned.h"
#include "vision/clip_tower.h"
#include "vision/projector.h"

namespace {
using namespace mop;
using mop::testing::prune_by_hand;
using mop::testing::RandomModel;
namespace fs = std::filesystem;

// Names say what is special.
std::vector<std::pair<std::string, RandomModel>> variants() {
  const auto window = R"("use_sliding_window":true,"sliding_window":8,"max_window_layers":2)";
  return {
      {"llama-gqa", {}},
      {"llama-alias", {.kv_heads = 4}},  // 3 heads stay: 32 is no multiple
      {"llama-alias-rope", {.kv_heads = 4, .tied = true, .extra = R"({"rope_scaling":
          {"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
           "original_max_position_embeddings":16},"rope_theta":500000.0})"}},
      {"llama-bias", {.extra = R"({"attention_bias":true,"mlp_bias":true})"}},
      {"llama-bias-code", {.kv_heads = 4, .extra = R"({"attention_bias":true})"}},
      {"llama-rope5", {.extra = R"({"rope_theta":null,"rope_parameters":
          {"rope_type":"linear","factor":2.0,"rope_theta":20000.0}})"}},
      {"llama-yarn", {.extra = R"({"rope_scaling":{"rope_type":"yarn","factor":4.0,
          "original_max_position_embeddings":16}})"}},
      {"llama-alias-yarn", {.kv_heads = 4, .extra = R"({"rope_parameters":{"rope_type":"yarn",
          "rope_theta":500.0,"factor":4.0,"attention_factor":0.8,
          "original_max_position_embeddings":16},"rope_theta":null})"}},
      // The 24 tokens are more than the original context.
      {"llama-longrope", {.extra = R"({"rope_scaling":{"rope_type":"longrope","factor":3.0,
          "original_max_position_embeddings":16,"short_factor":[1.0,1.5,2.0,2.5],
          "long_factor":[1.0,3.0,5.0,7.0]}})"}},
      {"qwen3-longrope", {.family = "qwen3", .kv_heads = 4, .extra = R"({"rope_scaling":
          {"type":"longrope","short_factor":[1.0,1.5,2.0,2.5],"long_factor":[1.0,3.0,5.0,7.0]},
          "original_max_position_embeddings":16})"}},
      {"qwen3-dynamic", {.family = "qwen3", .context = 16, .extra = R"({"rope_scaling":
          {"type":"dynamic","factor":4.0}})"}},
      {"mistral-window", {.family = "mistral", .extra = R"({"sliding_window":8})"}},
      {"mistral-tied", {.family = "mistral", .tied = true}},
      {"qwen2", {.family = "qwen2", .kv_heads = 4}},
      {"qwen2-tied", {.family = "qwen2", .head_dim = 16, .tied = true}},  // 2 heads: 32 again
      {"qwen2-window", {.family = "qwen2", .tied = true, .extra = fmt::format("{{{}}}", window)}},
      {"qwen3", {.family = "qwen3", .head_dim = 16, .tied = true}},
      {"llava", {.within = "llava"}},
      {"llava-alias", {.kv_heads = 4, .within = "llava"}},
      {"llava-next-mistral", {.family = "mistral", .tied = true, .within = "llava_next"}},
      {"qwen3-window", {.family = "qwen3", .kv_heads = 4, .extra = fmt::format("{{{}}}", window)}},
  };
}

// vLLM's attention on CPUs has no heads below 32.
RandomModel for_vllm(const std::string& family) {
  return {.family = family, .hidden = 64, .head_dim = 32, .mlp = 96};
}

// What vLLM runs by its own class, and with layers that differ by its Transformers backend.
std::vector<std::pair<std::string, RandomModel>> vllm_variants() {
  std::vector<std::pair<std::string, RandomModel>> rows;
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    rows.emplace_back(fmt::format("{}-heads-32", family), for_vllm(family));
  }
  return rows;
}

// Models whose layers will differ, see `differ_by_hand`.
std::vector<std::pair<std::string, RandomModel>> differing_variants() {
  return {
      {"llama-layers", {.kv_heads = 4, .tied = true}},
      {"llava-layers", {.within = "llava"}},
      {"llava-next-layers", {.kv_heads = 4, .within = "llava_next"}},
      {"llama-layers-bias", {.extra = R"({"attention_bias":true,"mlp_bias":true})"}},
      {"mistral-layers", {.family = "mistral", .extra = R"({"sliding_window":8})"}},
      {"qwen2-layers", {.family = "qwen2"}},
      {"qwen3-layers",
       {.family = "qwen3", .extra = R"({"use_sliding_window":true,"sliding_window":8,
                                        "max_window_layers":2})"}},
  };
}

// Models that lose hidden channels besides.
std::vector<std::pair<std::string, RandomModel>> narrow_variants() {
  return {
      {"llama-hidden", {.extra = R"({"attention_bias":true,"mlp_bias":true})"}},
      {"llama-tied-hidden", {.kv_heads = 4, .tied = true}},
      {"mistral-hidden", {.family = "mistral", .extra = R"({"sliding_window":8})"}},
      {"qwen2-hidden", {.family = "qwen2"}},
      {"qwen2-tied-hidden", {.family = "qwen2", .kv_heads = 4, .tied = true}},
      {"qwen3-hidden", {.family = "qwen3", .tied = true}},
  };
}

// Without every fourth channel.
Model narrow_by_hand(const Model& model) {
  IndexList channels = model.channels();
  std::erase_if(channels, [](int32_t channel) { return channel % 4 == 1; });
  return model.with_channels(channels);
}

// Six layers: without attention, narrow, without MLP, whole, fewer groups, without both; with
// biases that compensate. `attention`: every layer keeps some.
Model differ_by_hand(const Model& dense, bool attention = false) {
  Model model = dense.with_biases(true, true);
  std::vector<Layer> layers = model.layers();
  if (!attention) layers[0].heads = layers[0].kv_heads = {};
  layers[1].neurons.resize(13);
  layers[2].neurons = {};
  const auto group = static_cast<size_t>(model.config().layers[4].group());
  layers[4].kv_heads.erase(layers[4].kv_heads.begin());
  layers[4].heads.erase(layers[4].heads.begin(),
                        layers[4].heads.begin() + static_cast<int64_t>(group));
  layers[4].neurons.resize(40);
  if (!attention) layers[5].heads = layers[5].kv_heads = {};
  layers[5].neurons = {};
  Random random(11);
  const auto bias = [&] {
    at::Tensor bias_D = at::empty({model.config().hidden});
    for (int64_t i = 0; i < bias_D.numel(); ++i) bias_D[i] = random.uniform() - 0.5;
    return bias_D;
  };
  for (Layer& layer : layers) {
    if (!layer.heads.empty()) layer.changed[Role::kOutputBias] = bias();
    if (!layer.neurons.empty()) layer.changed[Role::kDownBias] = bias();
  }
  return model.with_layers(layers);
}

// A tower without some heads and neurons; `heads`: layers come to differ, which needs code of ours.
Model cut_tower_by_hand(const Model& dense, bool heads) {
  std::vector<LayerRemoval> removals;
  for (int32_t layer = 0; layer < 3; ++layer) removals.push_back({layer, false, {}, {}, {0, 5, 9}});
  if (heads) {
    removals[0].heads = removals[0].kv_heads = {1};
    removals[2].heads = removals[2].kv_heads = {0, 3};
    removals[2].neurons = {7};
  }
  return apply({"vision", {}, {}, 0, removals}, dense);
}

// What the model says to a prompt with a picture in it, and what transformers is to be given.
std::map<std::string, at::Tensor> seen(const Model& model) {
  const Composite& composite = *model.config().composite;
  const int64_t side = composite.vision.image, vocab = model.config().vocab;
  const at::Tensor pixels_B3HW =
      at::arange(3 * side * side, at::kFloat).sin().view({1, 3, side, side});
  const ClipTower tower(model);
  const at::Tensor features_BTD = tower.features(tower.embed(pixels_B3HW, {}), 1, {}).slice(1, 1);
  const Projector projector(model.shared_checkpoint(), composite.projector);
  const Model seeing = model.with_input_rows(projector.project(features_BTD, {}).flatten(0, 1));
  const int64_t rows = seeing.input_rows().size(0);
  const at::Tensor before = at::arange(3, 8, at::kLong), behind = at::arange(20, 28, at::kLong);
  const at::Tensor ids_N = at::cat({before, at::arange(vocab, vocab + rows, at::kLong), behind});
  WeightLoader loader(seeing, {});
  const at::Tensor hidden_ND = run_layers(loader, ids_N, {{ids_N.numel()}, {}});
  return {{"pixels", pixels_B3HW},
          {"seen_ids", ids_N.clamp_max(composite.image_token)},
          {"seen_logits", logits(loader.globals(), model.config(), hidden_ND).contiguous()}};
}

void write_with_logits(const Model& model, const fs::path& folder) {
  fs::create_directories(folder);
  write_hf(model, folder,
           {.shard_bytes = model.checkpoint().bytes() / 3,
            .model_card = "# " + folder.filename().string()});
  verify_written(folder, model);

  constexpr int64_t kTokens = 24;
  Random random(7);
  at::Tensor ids_N = at::empty({kTokens}, at::kLong);
  for (int64_t i = 0; i < kTokens; ++i) {
    ids_N[i] = static_cast<int64_t>(random.below(static_cast<uint64_t>(model.config().vocab)));
  }
  WeightLoader loader(model, {});
  const at::Tensor hidden_ND = run_layers(loader, ids_N, {{kTokens}, {}});
  const at::Tensor logits_NV = logits(loader.globals(), model.config(), hidden_ND);
  std::map<std::string, at::Tensor> ours = {{"ids", ids_N}, {"logits", logits_NV.contiguous()}};
  if (model.tower() != nullptr) ours.merge(seen(model));
  write_safetensors(folder / "ours.safetensors", ours, {{"note", reader_note(model.config())}});
}

// A random model with the embedded model's tokenizer: outside readers want one.
void write_source(const fs::path& folder, RandomModel what) {
  what.vocab = 2048;
  write_random_model(folder, what);
  for (const char* name : {"tokenizer.model", "tokenizer_config.json"}) {
    fs::copy_file(mop::testing::demo_model() / name, folder / name);
  }
}

void run(const fs::path& out, const std::vector<fs::path>& models) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, what] : variants()) {
    const mop::testing::TempFolder source;
    write_source(source.path(), what);
    write_with_logits(prune_by_hand(Model::open(source.path())), out / name);
  }
  for (auto [name, what] : differing_variants()) {
    const mop::testing::TempFolder source;
    what.layers = 6;
    write_source(source.path(), what);
    write_with_logits(differ_by_hand(Model::open(source.path())), out / name);
  }
  for (const auto& [name, heads] : {std::pair("llava-tower", true), {"llava-tower-mlp", false}}) {
    const mop::testing::TempFolder source;
    write_source(source.path(), {.within = "llava", .tower_layers = 4, .tower_heads = 4});
    write_with_logits(cut_tower_by_hand(prune_by_hand(Model::open(source.path())), heads),
                      out / name);
  }
  for (auto [name, what] : narrow_variants()) {
    const mop::testing::TempFolder source;
    what.layers = 6;
    write_source(source.path(), what);
    const Model dense = Model::open(source.path());
    write_with_logits(narrow_by_hand(prune_by_hand(dense)), out / name);
    if (name == "mistral-hidden") {
      Model differing = narrow_by_hand(dense);
      std::vector<Layer> layers = differing.layers();
      layers[1].neurons.resize(13);
      layers[2].neurons = {};
      write_with_logits(differing.with_layers(layers), out / (name + "-layers"));
    }
  }
  for (auto [name, what] : vllm_variants()) {
    const mop::testing::TempFolder source;
    what.layers = 6;
    write_source(source.path(), what);
    const Model dense = Model::open(source.path());
    write_with_logits(prune_by_hand(dense), out / name);
    write_with_logits(differ_by_hand(dense, true), out / (name + "-layers"));
    if (name == "llama-heads-32") write_with_logits(differ_by_hand(dense), out / (name + "-gone"));
  }
  for (const fs::path& model : models) {
    write_with_logits(prune_by_hand(Model::open(model)), out / fs::canonical(model).filename());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw usage_error("usage: write_models OUT [MODEL...]");
    run(argv[1], {argv + 2, argv + argc});
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
