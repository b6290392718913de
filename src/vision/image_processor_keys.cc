// vision/image_processor_keys.cc
#include "vision/image_processor_keys.h"

namespace mop {
namespace {

using enum Fate;
constexpr std::string_view kCall = "option of a Python call";

constexpr KeyFate kKeys[] = {
    {"image_processor_type", kHonoured, "the class, CLIP or LLaVA"},
    {"feature_extractor_type", kHonoured, "the same, in old files"},
    {"do_resize", kHonoured, "whether images are resized"},
    {"size", kHonoured, "target size: shortest edge, or height and width"},
    {"default_to_square", kHonoured,
     "whether a size of one number is a square or the shortest edge"},
    {"resample", kRefused, "filters other than Lanczos, bilinear, bicubic, box and Hamming"},
    {"do_center_crop", kHonoured, "whether the centre is cropped"},
    {"crop_size", kHonoured, "size of the crop"},
    {"do_rescale", kHonoured, "whether pixel values are rescaled"},
    {"rescale_factor", kHonoured, "the factor"},
    {"do_normalize", kHonoured, "whether values are normalised"},
    {"image_mean", kHonoured, "mean per channel"},
    {"image_std", kHonoured, "standard deviation per channel"},
    {"do_pad", kRefused, "except for LLaVA's class, which pads to a square"},
    {"image_grid_pinpoints", kRefused, "tiled images (LLaVA-NeXT)"},
    {"do_convert_rgb", kIgnored, "images are always converted to RGB"},
    {"pad_size", kIgnored, "LLaVA always pads to a square"},
    {"processor_class", kIgnored, "class of the combined processor"},
    {"data_format", kIgnored, "the tower determines the format"},
    {"input_data_format", kIgnored, kCall},
    {"device", kIgnored, kCall},
    {"return_tensors", kIgnored, kCall},
    {"disable_grouping", kIgnored, kCall},
    {"image_seq_length", kIgnored, "follows from the tower's sizes"},
    {"auto_map", kIgnored, "custom code in the folder is never run"},
    {"transformers_version", kIgnored, "version of the writer"},
    {"_*", kIgnored, "private to the writer"},
};

}  // namespace

const FormatKeys& image_processor_keys() {
  static const FormatKeys keys{"preprocessor_config.json", kKeys};
  return keys;
}

}  // namespace mop
