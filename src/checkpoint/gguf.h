// checkpoint/gguf.h -- llama.cpp's container, GGUF version 3: typed metadata and tensors in one
// mapped file. This is the container alone; what its keys mean is in gguf_checkpoint.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "checkpoint/ggml_types.h"
#include "tensor/dtype.h"
#include "tensor/mapped_file.h"
#include "tensor/streamed_file.h"

namespace mop {

/// Types of metadata, numbered as in the file.
enum class GgufType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

/// One value or a list of one type. Integers and booleans are held as int64, floats as double.
struct GgufValue {
  GgufType type;      ///< of the value, or of the list's elements
  bool list = false;  ///< a scalar has exactly one element
  std::variant<std::vector<int64_t>, std::vector<double>, std::vector<std::string>> values;

  static GgufValue u32(int64_t value);
  static GgufValue f32(double value);
  static GgufValue flag(bool value);
  static GgufValue text(std::string value);
  static GgufValue i32_list(const std::vector<int64_t>& values);
  static GgufValue f32_list(std::vector<double> values);
  static GgufValue texts(std::vector<std::string> values);
};

/// Metadata in file order.
using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;

/// A tensor of a file. The shape is ours, [out, in]: GGUF stores the axes in reverse.
struct GgufTensor {
  std::string name;
  GgmlType type;
  std::vector<int64_t> shape;
  size_t begin = 0;  ///< bytes from the file's start
  size_t end = 0;
};

class GgufFile {
 public:
  /// Maps `path` and checks all of its header: magic, version, lengths inside the file, known
  /// types, no name twice, tensors aligned, inside the file and apart. Throws Error(kBadInput).
  static GgufFile open(const std::filesystem::path& path);
  /// Whether the file begins as a GGUF file does; false when there is no such file.
  static bool is_gguf(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  size_t bytes() const { return file_->bytes().size(); }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  /// Everything in front of the tensors' data, for fingerprints.
  std::string_view header() const;
  /// The raw bytes of a tensor of this file.
  std::string_view data(const GgufTensor& tensor) const;
  /// What `tensor` returns: the stored dtype; of a tensor in blocks float16, which is finer than
  /// any block format, or bfloat16 in a file that has tensors of it or of mxfp4, whose scales
  /// float16 cannot hold.
  DType dtype(const GgufTensor& tensor) const;
  /// A view of the mapped file, or the values of its blocks. Throws Error(kBadInput) when one of
  /// those is not finite in `dtype`.
  at::Tensor tensor(const GgufTensor& tensor) const;

  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  bool has(const std::string& key) const { return metadata_.contains(key); }
  /// One value of the metadata. Throw Error(kBadInput) naming the key when it is missing or of
  /// another type.
  int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  bool flag(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;

 private:
  const GgufValue& value(const std::string& key, bool list, size_t alternative,
                         std::string_view wanted) const;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, GgufValue> metadata_;
  std::map<std::string, GgufTensor> tensors_;
  size_t data_begin_ = 0;
  DType of_blocks_ = at::kHalf;
};

/// What a tensor will be, before its values are there.
struct GgufTensorSpec {
  std::string name;
  GgmlType type;
  std::vector<int64_t> shape;  ///< [out, in]
};

/// Writes one file tensor by tensor, in the order of the specs; it appears with `finish` or not at
/// all. Same metadata, same values, same bytes.
class GgufWriter {
 public:
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
             std::vector<GgufTensorSpec> specs);
  /// The next tensor, float32, float16 or bfloat16, converted in pieces. Throws Error(kBadInput)
  /// naming it when a value is not finite in the type it is written in, Error(kInternal) when it is
  /// not the announced one.
  void write(const at::Tensor& tensor);
  /// Throws Error(kInternal) when a tensor is missing, Error(kIo).
  void finish();
  static size_t file_bytes(const GgufMetadata& metadata, const std::vector<GgufTensorSpec>& specs);

 private:
  std::vector<GgufTensorSpec> specs_;
  size_t next_ = 0;
  StreamedFile file_;
};

}  // namespace mop
