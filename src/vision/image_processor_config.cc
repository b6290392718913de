// vision/image_processor_config.cc -- reads image processor configs.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/inside_links.h"
#include "base/narrow.h"
#include "vision/image_processor.h"
#include "vision/image_processor_keys.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using Size = ImageProcessorConfig::Size;

struct ProcessorClass {
  std::string_view name;
  bool pads;  // whether it supports do_pad
};

constexpr ProcessorClass kClasses[] = {
    {"CLIPImageProcessor", false},
    {"CLIPFeatureExtractor", false},
    {"LlavaImageProcessor", true},
};

// A plausible limit for the side of an image, in pixels.
int64_t side(const Json& value, const std::string& what) {
  const int64_t pixels = whole_number(value, what);
  if (pixels >= 1 && pixels <= 100000) return pixels;
  throw bad_input("{} is {}, outside of 1 to 100000", what, pixels);
}

Size checked_area(Size size, const std::string& what) {
  if (size.height * size.width <= kMostPixels) return size;
  throw bad_input("{} is {} x {}, expected at most {} pixels", what, size.height, size.width,
                  kMostPixels);
}

// {"height": .., "width": ..}, [height, width], or one number for both.
Size height_and_width(const Json& value, const std::string& what) {
  if (value.is_number()) return checked_area({side(value, what), side(value, what)}, what);
  if (value.is_array() && value.size() == 2)
    return checked_area({side(value[0], what), side(value[1], what)}, what);
  if (value.is_object() && value.size() == 2 && value.contains("height") && value.contains("width"))
    return checked_area(
        {side(value["height"], what + ".height"), side(value["width"], what + ".width")}, what);
  throw bad_input("{} must give height and width, got {}", what, value.dump().substr(0, 80));
}

void read_size(const Json& raw, ImageProcessorConfig& config, const std::string& where) {
  const auto it = raw.find("size");
  if (it == raw.end() || it->is_null()) return;
  const bool square = get_or<bool>(raw, "default_to_square", false, where);
  if (it->is_object() && it->size() == 1 && it->contains("shortest_edge")) {
    config.shortest_edge = side((*it)["shortest_edge"], "size.shortest_edge");
  } else if (it->is_number() && !square) {
    config.shortest_edge = side(*it, "size");
  } else if (it->is_object() && !it->contains("height")) {
    throw bad_input("size must be a shortest_edge, or height and width, got {}",
                    it->dump().substr(0, 80));
  } else {
    config.shortest_edge.reset();
    config.size = height_and_width(*it, "size");
  }
}

// One number per channel, or one for all.
std::array<double, 3> colours(const Json& raw, const char* key, std::array<double, 3> fallback) {
  const auto it = raw.find(key);
  if (it == raw.end() || it->is_null()) return fallback;
  const auto is_number = [](const Json& value) { return value.is_number(); };
  if (it->is_number()) return {it->get<double>(), it->get<double>(), it->get<double>()};
  if (!it->is_array() || it->size() != 3 || !std::all_of(it->begin(), it->end(), is_number))
    throw bad_input("{} must be one number or three, got {}", key, it->dump().substr(0, 80));
  return {(*it)[0].get<double>(), (*it)[1].get<double>(), (*it)[2].get<double>()};
}

void refuse_tiles(const Json& raw, std::string_view name) {
  if (!raw.contains("image_grid_pinpoints") && !name.starts_with("LlavaNext")) return;
  throw bad_input("tiled images (LLaVA-NeXT's image_grid_pinpoints) are not supported")
      .hint("only the language model can be used, without images");
}

const ProcessorClass& class_of(const Json& raw, const std::string& where) {
  auto name = get_or<std::string>(raw, "image_processor_type", "", where);
  if (name.empty()) name = get_or<std::string>(raw, "feature_extractor_type", "", where);
  refuse_tiles(raw, name);
  if (name.empty()) return kClasses[2];
  std::string_view plain = name;
  for (const std::string_view backend : {"Fast", "Pil"}) {
    if (plain.ends_with(backend)) plain.remove_suffix(backend.size());
  }
  for (const ProcessorClass& row : kClasses) {
    if (row.name == plain) return row;
  }
  throw bad_input("unsupported image processor '{}'", name)
      .hint("supported: CLIPImageProcessor, LlavaImageProcessor");
}

void refuse_keys(const Json& raw, const ProcessorClass& processor) {
  for (const auto& [key, value] : raw.items()) {
    const KeyFate* fate = find_fate(image_processor_keys(), key);
    if (fate == nullptr || fate->fate != Fate::kRefused || key == "resample") continue;
    if (value.is_null() || value == false || (key == "do_pad" && processor.pads)) continue;
    throw bad_input("unsupported in an image processor: {} is {}", key, value.dump().substr(0, 60));
  }
}

void read_values(const Json& raw, ImageProcessorConfig& config, const std::string& where) {
  config.rescale = get_or<bool>(raw, "do_rescale", true, where);
  config.rescale_factor = get_or<double>(raw, "rescale_factor", config.rescale_factor, where);
  config.normalize = get_or<bool>(raw, "do_normalize", true, where);
  config.mean = colours(raw, "image_mean", config.mean);
  config.deviation = colours(raw, "image_std", config.deviation);
  if (std::ranges::find(config.deviation, 0.0) != config.deviation.end())
    throw bad_input("image_std must not be 0");
}

ImageProcessorConfig parse(const Json& raw, const std::string& where) {
  if (!raw.is_object()) throw bad_input("an image processor must be an object");
  ImageProcessorConfig config;
  const ProcessorClass& processor = class_of(raw, where);
  refuse_keys(raw, processor);
  config.pad_to_square = processor.pads && get_or<bool>(raw, "do_pad", false, where);
  config.resize = get_or<bool>(raw, "do_resize", true, where);
  read_size(raw, config, where);
  config.resample = get_or<int64_t>(raw, "resample", config.resample, where);
  find_resampling(config.resample);
  config.crop = get_or<bool>(raw, "do_center_crop", true, where);
  const auto crop = raw.find("crop_size");
  if (crop != raw.end() && !crop->is_null())
    config.crop_size = height_and_width(*crop, "crop_size");
  read_values(raw, config, where);
  for (const std::string& key : unknown_keys(raw, image_processor_keys()))
    config.notes.push_back("the image processor's " + key + " is unknown and ignored");
  return config;
}

bool is_there(const fs::path& folder, const fs::path& file) {
  if (!fs::exists(file)) return false;
  check_link_inside(folder, file);
  return true;
}

}  // namespace

ImageProcessorConfig parse_image_processor(const Json& raw, const std::string& where) {
  try {
    return parse(raw, where);
  } catch (Error& e) {
    throw std::move(e).where("file", where);
  }
}

ImageProcessorConfig read_image_processor(const fs::path& folder) {
  const fs::path nested = folder / "processor_config.json";
  const fs::path own = folder / "preprocessor_config.json";
  if (is_there(folder, nested)) {
    const Json raw = read_json(nested);
    if (raw.is_object() && raw.contains("image_processor"))
      return parse_image_processor(raw["image_processor"], nested.string());
  }
  if (is_there(folder, own)) return parse_image_processor(read_json(own), own.string());
  throw bad_input(
      "the folder has no image processor: there is neither preprocessor_config.json nor a "
      "section image_processor of processor_config.json")
      .where("folder", folder.string())
      .hint("copy it from the original model");
}

}  // namespace mop
