#include "vision/image_processor.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/parse_json.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "kit/upstream_keys.h"
#include "unit/vision/golden_vision.h"
#include "vision/image_processor_keys.h"

namespace mop {
namespace {
using mop::testing::golden_picture;
using mop::testing::golden_vision;
using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ImageProcessorConfig parsed(const char* json) {
  return parse_image_processor(parse_json(json), "preprocessor_config.json");
}

std::string refusal(const char* json) {
  return refusal_of([&] { parsed(json); });
}

double largest_difference(const at::Tensor& ours, const at::Tensor& theirs) {
  EXPECT_EQ(ours.sizes(), theirs.sizes());
  return (ours - theirs).abs().max().item<double>();
}

// Bytes are the same to the last bit; what is computed from them in float32 to 1e-5.
TEST(ImageProcessor, PixelsAreThoseOfTransformersWithPillow) {
  const Json golden = read_json(golden_vision() / "processors.json");
  const auto expected = SafetensorsFile::open(golden_vision() / "processors.safetensors");
  int64_t pictures = 0;
  for (const auto& [name, entry] : expected.entries()) {
    if (name.starts_with("torchvision")) continue;
    SCOPED_TRACE(name);
    const std::string one = name.substr(0, name.find('/'));
    const ImageProcessor processor(parse_image_processor(golden["cases"][one], one));
    const at::Tensor ours_T3HW = processor.pixels(golden_picture(name.substr(one.size() + 1)));
    const bool normalized = processor.config().normalize || processor.config().rescale;
    EXPECT_LE(largest_difference(ours_T3HW, expected.tensor(name)), normalized ? 1e-5 : 0.0);
    if (const auto size = processor.tile_size()) {
      EXPECT_EQ(ours_T3HW.sizes(), at::IntArrayRef({1, 3, size->height, size->width}));
    }
    ++pictures;
  }
  EXPECT_GT(pictures, 70);
}

TEST(ImageProcessor, BytesAreNearThoseOfTransformersWithTorchvision) {
  const Json golden = read_json(golden_vision() / "processors.json");
  const auto expected = SafetensorsFile::open(golden_vision() / "processors.safetensors");
  for (const std::string one : {"bytes-2", "bytes-3"}) {
    const ImageProcessor processor(parse_image_processor(golden["cases"][one], one));
    for (const char* file :
         {"wide.png", "tall.png", "square.png", "exact.png", "tiny.png", "strip.png"}) {
      const at::Tensor theirs = expected.tensor("torchvision " + one + "/" + file);
      EXPECT_LE(largest_difference(processor.pixels(golden_picture(file)), theirs), 2.0)
          << one << " " << file;
    }
  }
}

TEST(ImageProcessor, KeysThatAreLeftOutHaveTheDefaultsOfTheClass) {
  const Json golden = read_json(golden_vision() / "processors.json");
  for (const auto& [name, theirs] : golden["defaults"].items()) {
    ImageProcessorConfig bare = parse_image_processor({{"image_processor_type", name}}, name);
    EXPECT_EQ(bare, parse_image_processor(theirs, name)) << name;
    EXPECT_EQ(bare.shortest_edge, 224);
    EXPECT_EQ(bare.mean[0], 0.48145466);
  }
  EXPECT_EQ(parsed("{}"), parsed(R"({"feature_extractor_type": "CLIPFeatureExtractor"})"));
  EXPECT_EQ(parsed(R"({"size": null, "image_mean": null, "resample": null})"), parsed("{}"));
}

TEST(ImageProcessor, SizesHaveSeveralSpellings) {
  EXPECT_EQ(parsed(R"({"size": 336})").shortest_edge, 336);
  EXPECT_EQ(parsed(R"({"size": {"shortest_edge": 336}})"), parsed(R"({"size": 336})"));
  const ImageProcessorConfig square = parsed(R"({"size": 20, "default_to_square": true})");
  EXPECT_FALSE(square.shortest_edge);
  EXPECT_EQ(square, parsed(R"({"size": {"width": 20, "height": 20}})"));
  EXPECT_EQ(parsed(R"({"size": [3, 4]})").size, (ImageProcessorConfig::Size{3, 4}));
  EXPECT_EQ(parsed(R"({"crop_size": 9})").crop_size, (ImageProcessorConfig::Size{9, 9}));
  EXPECT_EQ(parsed(R"({"image_processor_type": "CLIPImageProcessorFast"})"), parsed("{}"));
}

TEST(ImageProcessor, WhatIsNotFollowedIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"image_processor_type": "SiglipImageProcessor"})", "'SiglipImageProcessor'"},
      {R"({"image_processor_type": "LlavaNextImageProcessor"})", "several tiles"},
      {R"({"image_grid_pinpoints": [[336, 672]]})", "several tiles"},
      {R"({"image_processor_type": "CLIPImageProcessor", "do_pad": true})", "do_pad is true"},
      {R"({"resample": 0})", "resample is 0 (nearest)"},
      {R"({"resample": 9})", "supported: 1 (lanczos), 2 (bilinear), 3 (bicubic)"},
      {R"({"size": {"longest_edge": 5}})", "size must be a shortest_edge, or height and width"},
      {R"({"size": {"shortest_edge": 5, "longest_edge": 9}})", "size must be a shortest_edge"},
      {R"({"size": {"shortest_edge": 0}})", "size.shortest_edge is 0"},
      {R"({"crop_size": {"shortest_edge": 5}})", "crop_size must give height and width"},
      {R"({"crop_size": 99999})", "at most 178956970"},
      {R"({"crop_size": 1.5})", "crop_size must be a whole number"},
      {R"({"image_mean": [1, 2]})", "image_mean must be one number or three"},
      {R"({"image_std": [1, 0, 1]})", "image_std must not be 0"},
      {"[]", "must be an object"}};
  for (const auto& [json, text] : cases)
    EXPECT_THAT(refusal(json), AllOf(HasSubstr(text), HasSubstr("preprocessor_config.json")))
        << json;
  EXPECT_EQ(parsed(R"({"image_processor_type": "CLIPImageProcessor", "do_pad": false})"),
            parsed("{}"));
  EXPECT_THAT(parsed(R"({"do_something": 1})").notes, ElementsAre(HasSubstr("do_something")));
}

TEST(ImageProcessor, EveryKeyOfTransformersHasAFate) {
  expect_every_key_has_a_fate(image_processor_keys(), "preprocessor_config.json",
                              {"feature_extractor_type", "auto_map", "processor_class",
                               "transformers_version", "_name_or_path"});
}

TEST(ImageProcessor, IsReadFromTheFilesOfBothGenerations) {
  const testing::TempFolder folder;
  const auto read = [&] { return read_image_processor(folder.path()); };
  EXPECT_THAT(refusal_of(read), HasSubstr("neither preprocessor_config.json nor"));
  write_file(folder.path() / "preprocessor_config.json", R"({"size": 30})");
  EXPECT_EQ(read().shortest_edge, 30);
  write_file(folder.path() / "processor_config.json", R"({"processor_class": "LlavaProcessor"})");
  EXPECT_EQ(read().shortest_edge, 30);
  write_file(folder.path() / "processor_config.json", R"({"image_processor": {"size": 40}})");
  EXPECT_EQ(read().shortest_edge, 40);
}

TEST(ImageProcessor, ASizeBeyondAllMemoryIsRefused) {
  const ImageProcessor processor(parsed(R"({"size": 100000})"));
  EXPECT_THAT(refusal_of([&] { processor.pixels(golden_picture("strip.png")); }),
              HasSubstr("at most 178956970"));
}

}  // namespace
}  // namespace mop
