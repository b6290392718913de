#include "vision/image_encoder.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "kit/upstream_keys.h"
#include "model/composite.h"
#include "model/forward.h"
#include "unit/vision/golden_vision.h"
#include "vision/image_prompt.h"
#include "vision/vision_config_keys.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::golden_picture;
using mop::testing::golden_vision;
using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// tools/golden/vision_towers.py
struct Golden {
  Model model;
  SafetensorsFile expected;
  std::vector<Picture> pictures;
};

Golden golden(const std::string& name) {
  const fs::path folder = golden_vision() / name;
  return {Model::open(folder),
          SafetensorsFile::open(folder / "expected.safetensors"),
          {golden_picture("wide.png"), golden_picture("tall.png"), golden_picture("420.jpg")}};
}

const std::vector<std::string> kGoldens = {"llava", "llava-states"};

at::Tensor encode(const ImageEncoder& encoder, std::span<const Picture> pictures,
                  const Compute& compute = {}) {
  return encoder.encode(pictures, compute, silent_progress());
}

double difference(const at::Tensor& ours, const at::Tensor& theirs) {
  EXPECT_EQ(ours.sizes(), theirs.sizes());
  const at::Tensor expected = theirs.to(at::kFloat);
  return ((ours.to(at::kFloat) - expected).abs().max() / expected.abs().max()).item<double>();
}

at::Tensor tower_features(const Golden& of, int64_t piece) {
  const at::NoGradGuard no_gradient;
  const Composite& composite = *of.model.config().composite;
  const ClipTower tower(of.model);
  const ImageProcessor processor(read_image_processor(of.model.checkpoint().folder()));
  std::vector<at::Tensor> pixels;
  for (const Picture& picture : of.pictures) pixels.push_back(processor.pixels(picture));
  const at::Tensor features_BTD = tower.features(tower.embed(at::cat(pixels), {}), piece, {});
  return composite.projector.keeps_class ? features_BTD : features_BTD.slice(1, 1);
}

TEST(ClipTower, FeaturesAreThoseOfTransformers) {
  for (const std::string& name : kGoldens) {
    const Golden of = golden(name);
    for (const int64_t piece : {1, 2, 3})
      EXPECT_LE(difference(tower_features(of, piece), of.expected.tensor("features")), 1e-5)
          << name << " in pieces of " << piece;
  }
}

TEST(ImageEncoder, RowsAreThoseOfTransformers) {
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const Golden of = golden(name);
    const ImageEncoder encoder(of.model);
    EXPECT_THAT(encoder.notes(), IsEmpty());
    const at::Tensor rows_PD = encode(encoder, of.pictures);
    EXPECT_EQ(rows_PD.sizes(), at::IntArrayRef({3 * encoder.rows_per_image(), encoder.width()}));
    EXPECT_LE(difference(rows_PD, of.expected.tensor("rows")), 1e-5);
    const at::Tensor rounded_PD = encode(encoder, of.pictures, {at::kBFloat16, c10::kCPU});
    EXPECT_EQ(rounded_PD.scalar_type(), at::kFloat);
    EXPECT_LE(difference(rounded_PD, of.expected.tensor("rows_bfloat16")), 2e-2);
  }
}

TEST(ImageEncoder, ManyPicturesHaveTheRowsThatEachHasAlone) {
  const Golden of = golden("llava");
  const ImageEncoder encoder(of.model);
  std::vector<fs::path> files;
  for (int i = 0; i < 37; ++i)
    files.push_back(golden_vision() / "pictures" /
                    std::vector{"wide.png", "tall.png", "420.jpg", "tiny.png", "strip.png"}[i % 5]);
  const at::Tensor all_PD = encoder.encode(files, {}, silent_progress());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::vector<Picture> one = {read_picture(files[i])};
    const auto rows = encoder.rows_per_image();
    EXPECT_LE(
        difference(all_PD.narrow(0, static_cast<int64_t>(i) * rows, rows), encode(encoder, one)),
        1e-5)
        << i;
  }
  EXPECT_EQ(encode(encoder, {}).sizes(), at::IntArrayRef({0, encoder.width()}));
}

// The language model reads rows in the places of pictures, several in a prompt and prompts without
// any side by side.
TEST(ImageEncoder, LogitsOfPromptsWithPicturesAreThoseOfTransformers) {
  const at::NoGradGuard no_gradient;
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const Golden of = golden(name);
    const ImageEncoder encoder(of.model);
    const ImageTokens how{of.model.config().composite->image_token, of.model.config().vocab,
                          encoder.rows_per_image()};
    const auto list = [&](const char* tensor) {
      const at::Tensor values = of.expected.tensor(tensor);
      return std::vector<int64_t>(values.const_data_ptr<int64_t>(),
                                  values.const_data_ptr<int64_t>() + values.numel());
    };
    const std::vector<int64_t> ids = list("ids"), images = list("images");
    std::vector<int64_t> packed, lengths, last;
    auto id = ids.begin();
    auto image = images.begin();
    for (const int64_t length : list("lengths")) {
      const std::vector<int64_t> prompt(id, id + length);
      const auto count = std::ranges::count(prompt, how.placeholder);
      const std::vector<int64_t> expanded = expand_images(prompt, {image, image + count}, how);
      packed.insert(packed.end(), expanded.begin(), expanded.end());
      lengths.push_back(std::ssize(expanded));
      last.push_back(std::ssize(packed) - 1);
      id += length;
      image += count;
    }
    WeightLoader loader(of.model.with_input_rows(encode(encoder, of.pictures)), {});
    const at::Tensor hidden_ND = run_layers(loader, at::tensor(packed), {lengths});
    const at::Tensor logits_BV =
        logits(loader.globals(), of.model.config(), hidden_ND.index_select(0, at::tensor(last)));
    EXPECT_LE(difference(logits_BV, of.expected.tensor("logits")), 1e-4);
  }
}

// A copy of a golden model whose files can be changed.
struct Changed {
  testing::TempFolder folder;
  Changed() { fs::copy(golden_vision() / "llava", folder.path(), fs::copy_options::recursive); }
  void config(const Json& patch) const { edit("config.json", patch); }
  void processor(const Json& patch) const { edit("preprocessor_config.json", patch); }
  void edit(const char* file, const Json& patch) const {
    Json json = read_json(folder.path() / file);
    json.merge_patch(patch);
    write_file(folder.path() / file, to_text(json));
  }
  ImageEncoder open() const { return ImageEncoder(Model::open(folder.path())); }
};

TEST(ImageEncoder, RefusesModelsThatReadNoPictures) {
  const testing::TempFolder folder;
  testing::write_random_model(folder.path());
  EXPECT_THAT(refusal_of([&] { ImageEncoder(Model::open(folder.path())); }),
              AllOf(HasSubstr("does not support images"), HasSubstr(folder.path().string())));
}

TEST(ImageEncoder, RefusesProcessorsThatDoNotFitTheTower) {
  const Changed other;
  other.processor({{"crop_size", {{"height", 14}, {"width", 12}}}});
  EXPECT_THAT(refusal_of([&] { other.open(); }),
              HasSubstr("gives images of 14 x 12, but the vision tower needs 12 x 12"));
  other.processor({{"do_center_crop", false}});
  const ImageEncoder uncropped = other.open();
  EXPECT_THAT(refusal_of([&] { encode(uncropped, std::vector{golden_picture("wide.png")}); }),
              HasSubstr("gives images of 12 x 28"));
  EXPECT_EQ(encode(uncropped, std::vector{golden_picture("square.png")}).size(0), 9);
  fs::remove(other.folder.path() / "preprocessor_config.json");
  EXPECT_THAT(refusal_of([&] { other.open(); }), HasSubstr("neither preprocessor_config.json"));
}

TEST(ImageEncoder, RefusesOtherTowersByName) {
  const Changed siglip, grey;
  grey.config({{"vision_config", {{"num_channels", 1}}}});
  EXPECT_THAT(refusal_of([&] { grey.open(); }), HasSubstr("num_channels"));
  siglip.config({{"vision_config", {{"model_type", "siglip_vision_model"}}}});
  EXPECT_THAT(refusal_of([&] { siglip.open(); }), HasSubstr("siglip_vision_model"));
  siglip.config({{"vision_config", {{"model_type", "clip_vision_model"}, {"hidden_act", "mish"}}}});
  EXPECT_THAT(refusal_of([&] { siglip.open(); }),
              AllOf(HasSubstr("hidden_act is 'mish'"), HasSubstr("supported: quick_gelu, gelu")));
}

TEST(ImageEncoder, RefusesTiles) {
  const Changed tiles;
  std::map<std::string, at::Tensor> tensors = {{"image_newline", at::zeros({12}, at::kBFloat16)}};
  const fs::path weights = tiles.folder.path() / "model.safetensors";
  const auto file = SafetensorsFile::open(weights);
  for (const auto& [name, entry] : file.entries()) tensors[name] = file.tensor(name).clone();
  write_safetensors(weights, tensors);
  tiles.config({{"model_type", "llava_next"}});
  EXPECT_THAT(refusal_of([&] { tiles.open(); }),
              AllOf(HasSubstr("tiled images (llava-1.6)"), HasSubstr("without images")));
}

TEST(ImageEncoder, NotesKeysThatItDoesNotKnow) {
  const Changed other;
  other.config({{"vision_config", {{"attention_pool", 2}, {"use_cache", true}}}});
  other.processor({{"sharpen", 2}});
  EXPECT_THAT(other.open().notes(),
              ElementsAre(HasSubstr("sharpen"), HasSubstr("vision_config.attention_pool")));
}

TEST(VisionConfigKeys, EveryKeyOfTransformersHasAFate) {
  expect_every_key_has_a_fate(vision_config_keys(), "vision_config.json",
                              {"vocab_size", "dropout", kHeadsPerLayer, kMlpPerLayer});
}

}  // namespace
}  // namespace mop
