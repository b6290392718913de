// checkpoint/gguf.cc -- the reader: nothing is believed before it is checked.
#include "checkpoint/gguf.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/file_error.h"
#include "base/git_lfs.h"
#include "tensor/ggml_blocks.h"

namespace mop {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kOldestVersion = 2;  // 2 and 3 differ in byte order alone
constexpr uint32_t kNewestVersion = 3;
constexpr int64_t kDefaultAlignment = 32;
constexpr uint32_t kMostAxes = 4;

// Names of all types, for the message about one we cannot read.
constexpr std::array<std::string_view, 42> kTypeNames = {
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};

// Takes little-endian values from the front of the header.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  template <typename T>
  T take(std::string_view what) {
    T value;
    std::memcpy(&value, raw(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::string text(std::string_view what) { return std::string(raw(take<uint64_t>(what), what)); }

 private:
  std::string_view raw(uint64_t count, std::string_view what) {
    if (count > left()) {
      throw bad_input("the file is truncated: it ends inside {}, at byte {}", what, bytes_.size())
          .hint("copy or download the file again");
    }
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  std::string_view bytes_;
  size_t at_ = 0;
};

// Bytes that an element of a list takes at least.
size_t least_bytes(GgufType type) {
  constexpr std::array<size_t, 13> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};
  return kBytes.at(static_cast<size_t>(type));
}

int64_t read_integer(Cursor& in, GgufType type, std::string_view what) {
  switch (type) {
    case GgufType::kUint8:
      return in.take<uint8_t>(what);
    case GgufType::kInt8:
      return in.take<int8_t>(what);
    case GgufType::kUint16:
      return in.take<uint16_t>(what);
    case GgufType::kInt16:
      return in.take<int16_t>(what);
    case GgufType::kUint32:
      return in.take<uint32_t>(what);
    case GgufType::kInt32:
      return in.take<int32_t>(what);
    case GgufType::kBool:
      return in.take<uint8_t>(what) != 0;
    case GgufType::kInt64:
      return in.take<int64_t>(what);
    default:
      break;
  }
  const auto value = in.take<uint64_t>(what);
  if (value > INT64_MAX) throw bad_input("{} is {}, too large", what, value);
  return static_cast<int64_t>(value);
}

GgufType read_type(Cursor& in, std::string_view what) {
  const auto type = in.take<uint32_t>(what);
  if (type > static_cast<uint32_t>(GgufType::kFloat64)) {
    throw bad_input("{} has the unknown type {}", what, type);
  }
  return static_cast<GgufType>(type);
}

// `count` elements; a scalar is one.
GgufValue read_elements(Cursor& in, GgufType type, uint64_t count, std::string_view what) {
  GgufValue value{type, false, {}};
  if (type == GgufType::kString) {
    std::vector<std::string> texts(count);
    for (std::string& text : texts) text = in.text(what);
    value.values = std::move(texts);
  } else if (type == GgufType::kFloat32 || type == GgufType::kFloat64) {
    std::vector<double> numbers(count);
    for (double& number : numbers) {
      number = type == GgufType::kFloat32 ? in.take<float>(what) : in.take<double>(what);
    }
    value.values = std::move(numbers);
  } else {
    std::vector<int64_t> integers(count);
    for (int64_t& integer : integers) integer = read_integer(in, type, what);
    value.values = std::move(integers);
  }
  return value;
}

GgufValue read_value(Cursor& in, const std::string& key) {
  const std::string what = fmt::format("the value of '{}'", key);
  GgufType type = read_type(in, what);
  if (type != GgufType::kArray) return read_elements(in, type, 1, what);
  type = read_type(in, what);
  if (type == GgufType::kArray) throw bad_input("{} is a list of lists: not supported", what);
  const auto count = in.take<uint64_t>(what);
  if (count > in.left() / least_bytes(type)) {
    throw bad_input("{} claims {} elements, more than the file has bytes for", what, count)
        .hint("the file is truncated or damaged");
  }
  GgufValue value = read_elements(in, type, count, what);
  value.list = true;
  return value;
}

void check_start(std::string_view bytes) {
  refuse_git_lfs_pointer(bytes);
  if (bytes.size() < kMagic.size() + sizeof(uint32_t) || !bytes.starts_with(kMagic)) {
    throw bad_input("not a GGUF file: it does not begin with 'GGUF'");
  }
  uint32_t version;
  std::memcpy(&version, bytes.data() + kMagic.size(), sizeof version);
  if (version >= kOldestVersion && version <= kNewestVersion) return;
  if ((version & 0xffff) == 0) {
    throw bad_input("a GGUF file in big-endian byte order is not read");
  }
  throw bad_input("unsupported GGUF version {}", version).hint("supported: 2, 3");
}

GgmlType read_tensor_type(Cursor& in, const std::string& what) {
  const auto type = in.take<uint32_t>(what);
  if (const auto known = ggml_type_of_file(type)) return *known;
  const std::string name =
      type < kTypeNames.size() ? std::string(kTypeNames[type]) : std::to_string(type);
  throw bad_input("{} has the type {}, which is not supported", what, name)
      .hint(fmt::format("supported: {}; llama-quantize --allow-requantize FILE NEW F16 makes a "
                        "file that is read",
                        ggml_type_names()));
}

std::vector<int64_t> read_shape(Cursor& in, const std::string& what) {
  const auto axes = in.take<uint32_t>(what);
  if (axes > kMostAxes) throw bad_input("{} has {} axes, at most {}", what, axes, kMostAxes);
  std::vector<int64_t> shape(axes);
  int64_t values = 1;
  for (int64_t& size : shape) {
    const auto count = in.take<uint64_t>(what);
    if (count == 0 || count > INT32_MAX ||
        __builtin_mul_overflow(values, static_cast<int64_t>(count), &values) ||
        values > INT64_MAX / 8) {
      throw bad_input("{} has an axis of {}: not a plausible size", what, count);
    }
    size = static_cast<int64_t>(count);
  }
  std::ranges::reverse(shape);
  return shape;
}

// Offsets still count from the start of the data.
GgufTensor read_tensor(Cursor& in, size_t alignment) {
  GgufTensor tensor;
  tensor.name = in.text("the name of a tensor");
  const std::string what = fmt::format("tensor '{}'", tensor.name);
  tensor.shape = read_shape(in, what);
  tensor.type = read_tensor_type(in, what);
  const BlockFormat* blocks = ggml_blocks(tensor.type);
  if (blocks != nullptr && (tensor.shape.empty() || tensor.shape.back() % blocks->values != 0)) {
    throw bad_input("{} is {} but its rows are not whole blocks of {}", what,
                    ggml_name(tensor.type), blocks->values);
  }
  const auto offset = in.take<uint64_t>(what);
  if (offset % alignment != 0) {
    throw bad_input("{} begins at byte {} of the data, no multiple of {}", what, offset, alignment);
  }
  tensor.begin = offset;
  return tensor;
}

// Makes positions count from the file's start and checks that they are inside and apart.
void place(std::map<std::string, GgufTensor>& tensors, size_t data_begin, size_t file_bytes) {
  std::vector<const GgufTensor*> order;
  for (auto& [name, tensor] : tensors) {
    const size_t bytes = ggml_bytes(tensor.type, tensor.shape);
    const size_t room = file_bytes - std::min(file_bytes, data_begin);
    if (tensor.begin > room || bytes > room - tensor.begin) {
      throw bad_input("tensor '{}' should end at byte {} of the data, the file has {}: truncated",
                      name, tensor.begin + bytes, room)
          .hint("copy or download the file again");
    }
    tensor.begin += data_begin;
    tensor.end = tensor.begin + bytes;
    order.push_back(&tensor);
  }
  std::ranges::sort(order, {}, [](const GgufTensor* t) { return t->begin; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i]->begin < order[i - 1]->end) {
      throw bad_input("tensors '{}' and '{}' overlap", order[i - 1]->name, order[i]->name);
    }
  }
}

// See GgufFile::dtype.
DType dtype_of_blocks(const std::map<std::string, GgufTensor>& tensors) {
  const bool wide = std::ranges::any_of(tensors, [](const auto& t) {
    return t.second.type == GgmlType::kBf16 || t.second.type == GgmlType::kMxfp4;
  });
  return wide ? at::kBFloat16 : at::kHalf;
}

size_t alignment_of(const std::map<std::string, GgufValue>& metadata) {
  const auto it = metadata.find("general.alignment");
  if (it == metadata.end()) return kDefaultAlignment;
  const auto* values = std::get_if<std::vector<int64_t>>(&it->second.values);
  if (values == nullptr || values->size() != 1 || values->front() < 8 ||
      values->front() > (1 << 20) || (values->front() & (values->front() - 1)) != 0) {
    throw bad_input("'general.alignment' must be a power of two from 8 up");
  }
  return static_cast<size_t>(values->front());
}

}  // namespace

bool GgufFile::is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::ifstream stream(path, std::ios::binary);
  std::string start(kMagic.size(), '\0');
  stream.read(start.data(), static_cast<std::streamsize>(start.size()));
  if (stream.bad()) {
    throw file_error("read", path, errno);
  }
  return stream && start == kMagic;
}

GgufFile GgufFile::open(const std::filesystem::path& path) {
  GgufFile result;
  result.file_ = MappedFile::open(path);
  const std::string_view bytes(reinterpret_cast<const char*>(result.file_->bytes().data()),
                               result.file_->bytes().size());
  try {
    check_start(bytes);
    Cursor in(bytes);
    in.take<uint64_t>("its beginning");  // magic and version
    const auto num_tensors = in.take<uint64_t>("the number of tensors");
    const auto num_values = in.take<uint64_t>("the number of metadata values");
    for (uint64_t i = 0; i < num_values; ++i) {
      std::string key = in.text("the name of a metadata value");
      GgufValue value = read_value(in, key);
      if (!result.metadata_.emplace(key, std::move(value)).second) {
        throw bad_input("the metadata has '{}' twice", key);
      }
    }
    const size_t alignment = alignment_of(result.metadata_);
    for (uint64_t i = 0; i < num_tensors; ++i) {
      GgufTensor tensor = read_tensor(in, alignment);
      const std::string name = tensor.name;
      if (!result.tensors_.emplace(name, std::move(tensor)).second) {
        throw bad_input("the tensor '{}' is listed twice", name);
      }
    }
    result.data_begin_ = (in.at() + alignment - 1) / alignment * alignment;
    place(result.tensors_, result.data_begin_, bytes.size());
    result.of_blocks_ = dtype_of_blocks(result.tensors_);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
  return result;
}

std::string_view GgufFile::header() const {
  const auto bytes = file_->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), std::min(data_begin_, bytes.size())};
}

std::string_view GgufFile::data(const GgufTensor& tensor) const {
  return {reinterpret_cast<const char*>(file_->bytes().data()) + tensor.begin,
          tensor.end - tensor.begin};
}

DType GgufFile::dtype(const GgufTensor& tensor) const {
  return ggml_blocks(tensor.type) ? of_blocks_ : ggml_dtype(tensor.type);
}

at::Tensor GgufFile::tensor(const GgufTensor& tensor) const {
  const BlockFormat* blocks = ggml_blocks(tensor.type);
  if (blocks == nullptr) {
    return tensor_view(file_, tensor.begin, tensor.shape, ggml_dtype(tensor.type));
  }
  at::Tensor values = at::empty(tensor.shape, of_blocks_);
  if (dequantize(*blocks, file_->bytes().data() + tensor.begin, values.numel(), of_blocks_,
                 static_cast<std::byte*>(values.mutable_data_ptr()))) {
    return values;
  }
  throw bad_input("a value of tensor '{}' ({}) is not finite as {}", tensor.name,
                  ggml_name(tensor.type), dtype_name(of_blocks_))
      .where("file", path().string())
      .hint(
          "the file is damaged, or llama-quantize --allow-requantize FILE NEW F32 makes one that "
          "is read");
}

const GgufValue& GgufFile::value(const std::string& key, bool list, size_t alternative,
                                 std::string_view wanted) const {
  const auto it = metadata_.find(key);
  if (it == metadata_.end()) {
    throw bad_input("the metadata lacks '{}'", key).where("file", path().string());
  }
  if (it->second.list == list && it->second.values.index() == alternative) return it->second;
  throw bad_input("the metadata's '{}' is not {}", key, wanted).where("file", path().string());
}

int64_t GgufFile::integer(const std::string& key) const {
  return std::get<0>(value(key, false, 0, "an integer").values).front();
}
double GgufFile::number(const std::string& key) const {
  return std::get<1>(value(key, false, 1, "a number").values).front();
}
bool GgufFile::flag(const std::string& key) const { return integer(key) != 0; }
std::string GgufFile::text(const std::string& key) const {
  return std::get<2>(value(key, false, 2, "a text").values).front();
}
std::vector<int64_t> GgufFile::integers(const std::string& key) const {
  return std::get<0>(value(key, true, 0, "a list of integers").values);
}
std::vector<double> GgufFile::numbers(const std::string& key) const {
  return std::get<1>(value(key, true, 1, "a list of numbers").values);
}
std::vector<std::string> GgufFile::texts(const std::string& key) const {
  return std::get<2>(value(key, true, 2, "a list of texts").values);
}

}  // namespace mop
