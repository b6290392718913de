// vision/image_processor_keys.cc
#include "vision/image_processor_keys.h"

namespace mop {
namespace {

using enum Fate;
constexpr std::string_view kCall = "of a call in Python";

constexpr KeyFate kKeys[] = {
    {"image_processor_type", kHonoured, "the class: CLIP's or LLaVA's"},
    {"feature_extractor_type", kHonoured, "the same in old files"},
    {"do_resize", kHonoured, "whether pictures are resized"},
    {"size", kHonoured, "to what: a shortest edge, or height and width"},
    {"default_to_square", kHonoured,
     "whether a size of one number is a square or the shortest edge"},
    {"resample", kRefused, "filters but Lanczos, bilinear, bicubic, box and Hamming"},
    {"do_center_crop", kHonoured, "whether the middle is cut out"},
    {"crop_size", kHonoured, "its size"},
    {"do_rescale", kHonoured, "whether bytes are multiplied"},
    {"rescale_factor", kHonoured, "by what"},
    {"do_normalize", kHonoured, "whether the mean is taken away"},
    {"image_mean", kHonoured, "the mean of every colour"},
    {"image_std", kHonoured, "what the difference is divided by"},
    {"do_pad", kRefused, "but by LLaVA's class, which makes a square of the picture first"},
    {"image_grid_pinpoints", kRefused, "several tiles of a picture (LLaVA-NeXT)"},
    {"do_convert_rgb", kIgnored, "pictures are always made RGB; the tower reads nothing else"},
    {"pad_size", kIgnored, "LLaVA's padding makes a square whatever this says"},
    {"processor_class", kIgnored, "who reads text and pictures together"},
    {"data_format", kIgnored, "the tower's is the one there is"},
    {"input_data_format", kIgnored, kCall},
    {"device", kIgnored, kCall},
    {"return_tensors", kIgnored, kCall},
    {"disable_grouping", kIgnored, kCall},
    {"image_seq_length", kIgnored, "how many rows a picture has is counted from the tower"},
    {"auto_map", kIgnored, "code of the folder is never run"},
    {"transformers_version", kIgnored, "who wrote the file"},
    {"_*", kIgnored, "private to who wrote the file"},
};

}  // namespace

const FormatKeys& image_processor_keys() {
  static const FormatKeys keys{"preprocessor_config.json", kKeys};
  return keys;
}

}  // namespace mop
