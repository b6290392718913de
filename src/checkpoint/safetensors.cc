// checkpoint/safetensors.cc -- the reader: nothing is believed before it is checked.
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/git_lfs.h"
#include "base/parse_json.h"

namespace mop {
namespace {

using Header = nlohmann::json;  // sorted keys: a header may have very many

constexpr size_t kPrefixBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as in the format's reference implementation

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

// Length of the header, checked against the file.
size_t header_bytes(std::string_view text) {
  refuse_git_lfs_pointer(text);
  if (text.size() < kPrefixBytes) {
    throw bad_input("not a safetensors file: {} bytes, at least {} are needed", text.size(),
                    kPrefixBytes)
        .hint("copy or download the file again");
  }
  uint64_t length = 0;
  for (size_t i = kPrefixBytes; i-- > 0;)
    length = length << 8 | static_cast<unsigned char>(text[i]);
  if (length > kMaxHeaderBytes) {
    throw bad_input("the header claims {} bytes, more than the {} allowed", length, kMaxHeaderBytes)
        .hint("this is not a safetensors file, or its beginning is damaged");
  }
  if (length > text.size() - kPrefixBytes) {
    throw bad_input("the file is truncated: its header should have {} bytes, {} are there", length,
                    text.size() - kPrefixBytes)
        .hint("copy or download the file again");
  }
  return static_cast<size_t>(length);
}

Header parse_header(std::string_view header) {
  if (!header.starts_with('{')) throw bad_input("the header is not a JSON object");
  return parse_sorted_json(header, "the header is not valid JSON");
}

std::map<std::string, std::string> read_metadata(const Header& value) {
  if (!value.is_object()) throw bad_input("__metadata__ must be an object, got {}", value.dump());
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      throw bad_input("__metadata__.{} must be a text, got {}", key, text.dump());
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// A member of a tensor's description. Throws when it is not there.
const Header& member(const Header& tensor, const char* key) {
  const auto it = tensor.find(key);
  if (it == tensor.end()) throw bad_input("'{}' is missing", key);
  return *it;
}

std::vector<int64_t> read_shape(const Header& value) {
  if (!value.is_array()) throw bad_input("its shape must be a list, got {}", value.dump());
  std::vector<int64_t> shape;
  for (const Header& size : value) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > INT64_MAX) {
      throw bad_input("its shape must be a list of sizes from 0 up, got {}", value.dump());
    }
    shape.push_back(size.get<int64_t>());
  }
  return shape;
}

// Bytes of a tensor. Throws when the product does not fit.
size_t bytes_of(const std::vector<int64_t>& shape, DType dtype) {
  size_t bytes = dtype_bytes(dtype);
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<size_t>(size), &bytes) || bytes > INT64_MAX) {
      throw bad_input("its shape {} is too large", Header(shape).dump());
    }
  }
  return bytes;
}

// `data_begin` and `data_size`: where the tensors lie in the file.
TensorEntry read_entry(const Header& value, size_t data_begin, size_t data_size) {
  if (!value.is_object())
    throw bad_input("its description must be an object, got {}", value.dump());
  const Header& dtype = member(value, "dtype");
  if (!dtype.is_string()) throw bad_input("its dtype must be a text, got {}", dtype.dump());
  TensorEntry entry{dtype_from_safetensors(dtype.get<std::string>()),
                    read_shape(member(value, "shape"))};
  const Header& offsets = member(value, "data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    throw bad_input("its data_offsets must be two byte positions, got {}", offsets.dump());
  }
  const auto begin = offsets[0].get<uint64_t>();
  const auto end = offsets[1].get<uint64_t>();
  if (begin > end) throw bad_input("its data_offsets {} run backwards", offsets.dump());
  if (end > data_size) {
    throw bad_input("its data ends at byte {} but the file ends at byte {}: the file is truncated",
                    end > UINT64_MAX - data_begin ? end : data_begin + end, data_begin + data_size)
        .hint("copy or download the file again");
  }
  const size_t needed = bytes_of(entry.shape, entry.dtype);
  if (end - begin != needed) {
    throw bad_input("its data_offsets span {} bytes but shape {} of {} takes {}", end - begin,
                    Header(entry.shape).dump(), safetensors_name(entry.dtype), needed);
  }
  entry.begin = data_begin + begin;
  entry.end = data_begin + end;
  return entry;
}

// Tensors must cover the data exactly once.
void check_cover(const std::map<std::string, TensorEntry>& entries, size_t data_begin,
                 size_t file_size) {
  std::vector<std::pair<const std::string*, const TensorEntry*>> order;
  for (const auto& [name, entry] : entries) order.emplace_back(&name, &entry);
  std::ranges::sort(
      order, {}, [](const auto& item) { return std::pair(item.second->begin, item.second->end); });
  size_t reached = data_begin;
  const std::string* previous = nullptr;
  for (const auto& [name, entry] : order) {
    if (entry->begin < reached) {
      throw bad_input("tensors '{}' and '{}' overlap", *previous, *name);
    }
    if (entry->begin > reached) {
      throw bad_input("{} bytes before tensor '{}' belong to no tensor", entry->begin - reached,
                      *name);
    }
    reached = entry->end;
    previous = name;
  }
  if (reached != file_size) {
    throw bad_input("{} bytes after the last tensor belong to no tensor", file_size - reached);
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result;
  result.file_ = MappedFile::open(path);
  const std::string_view text = text_of(*result.file_);
  try {
    const size_t data_begin = kPrefixBytes + header_bytes(text);
    const Header header = parse_header(text.substr(kPrefixBytes, data_begin - kPrefixBytes));
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        result.metadata_ = read_metadata(value);
        continue;
      }
      try {
        result.entries_.emplace(name, read_entry(value, data_begin, text.size() - data_begin));
      } catch (Error& e) {
        throw std::move(e).where("tensor", name);
      }
    }
    check_cover(result.entries_, data_begin, text.size());
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
  check_mappings();
  return result;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    throw bad_input("there is no tensor '{}'", name).where("file", path().string());
  }
  return tensor_view(file_, it->second.begin, it->second.shape, it->second.dtype);
}

std::string_view SafetensorsFile::data(const TensorEntry& entry) const {
  return text_of(*file_).substr(entry.begin, entry.end - entry.begin);
}

std::string_view SafetensorsFile::header() const {
  const std::string_view text = text_of(*file_);
  return text.substr(kPrefixBytes, header_bytes(text));
}

}  // namespace mop
