// plugins/parquet/json_lines.cc -- libmop_parquet.so: the rows of a Parquet file as JSON lines.
// Apart from the program, which loads it when a Parquet file is read and runs without Arrow
// otherwise.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/util/float16.h>
#include <parquet/arrow/reader.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace {

using Json = nlohmann::ordered_json;
using arrow::Type;

constexpr int64_t kRowsAtOnce = 1024;

void check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T value_or_throw(arrow::Result<T> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

Json value_at(const arrow::Array& array, int64_t i);

template <typename Array>
Json number_at(const arrow::Array& array, int64_t i) {
  return static_cast<const Array&>(array).Value(i);
}

template <typename Array>
Json text_at(const arrow::Array& array, int64_t i) {
  return std::string(static_cast<const Array&>(array).GetView(i));
}

template <typename Array>
Json list_at(const arrow::Array& array, int64_t i) {
  const auto& list = static_cast<const Array&>(array);
  Json values = Json::array();
  for (int64_t at = 0; at < list.value_length(i); ++at)
    values.push_back(value_at(*list.values(), list.value_offset(i) + at));
  return values;
}

// What is null is left out, as a record without the field.
Json struct_at(const arrow::Array& array, int64_t i) {
  const auto& fields = static_cast<const arrow::StructArray&>(array);
  Json record = Json::object();
  for (int f = 0; f < fields.num_fields(); ++f) {
    Json value = value_at(*fields.field(f), i);
    if (!value.is_null()) record[fields.struct_type()->field(f)->name()] = std::move(value);
  }
  return record;
}

Json map_at(const arrow::Array& array, int64_t i) {
  const auto& map = static_cast<const arrow::MapArray&>(array);
  Json record = Json::object();
  for (int64_t at = map.value_offset(i); at < map.value_offset(i) + map.value_length(i); ++at) {
    const Json key = value_at(*map.keys(), at);
    record[key.is_string() ? key.get<std::string>() : key.dump()] = value_at(*map.items(), at);
  }
  return record;
}

Json dictionary_at(const arrow::Array& array, int64_t i) {
  const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
  return value_at(*coded.dictionary(), coded.GetValueIndex(i));
}

Json half_at(const arrow::Array& array, int64_t i) {
  const auto bits = static_cast<const arrow::HalfFloatArray&>(array).Value(i);
  return arrow::util::Float16::FromBits(bits).ToFloat();
}

struct Row {
  Type::type type;
  Json (*at)(const arrow::Array&, int64_t);
};

constexpr Row kTypes[] = {
    {Type::BOOL, number_at<arrow::BooleanArray>},
    {Type::INT8, number_at<arrow::Int8Array>},
    {Type::INT16, number_at<arrow::Int16Array>},
    {Type::INT32, number_at<arrow::Int32Array>},
    {Type::INT64, number_at<arrow::Int64Array>},
    {Type::UINT8, number_at<arrow::UInt8Array>},
    {Type::UINT16, number_at<arrow::UInt16Array>},
    {Type::UINT32, number_at<arrow::UInt32Array>},
    {Type::UINT64, number_at<arrow::UInt64Array>},
    {Type::HALF_FLOAT, half_at},
    {Type::FLOAT, number_at<arrow::FloatArray>},
    {Type::DOUBLE, number_at<arrow::DoubleArray>},
    {Type::STRING, text_at<arrow::StringArray>},
    {Type::BINARY, text_at<arrow::BinaryArray>},
    {Type::LARGE_STRING, text_at<arrow::LargeStringArray>},
    {Type::LARGE_BINARY, text_at<arrow::LargeBinaryArray>},
    {Type::STRING_VIEW, text_at<arrow::StringViewArray>},
    {Type::BINARY_VIEW, text_at<arrow::BinaryViewArray>},
    {Type::LIST, list_at<arrow::ListArray>},
    {Type::LARGE_LIST, list_at<arrow::LargeListArray>},
    {Type::FIXED_SIZE_LIST, list_at<arrow::FixedSizeListArray>},
    {Type::STRUCT, struct_at},
    {Type::MAP, map_at},
    {Type::DICTIONARY, dictionary_at},
};

// Dates, times, decimals and what else has no JSON type become texts.
Json value_at(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return nullptr;
  for (const Row& row : kTypes) {
    if (row.type == array.type_id()) return row.at(array, i);
  }
  return value_or_throw(array.GetScalar(i))->ToString();
}

void write_all(int out, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::write(out, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::runtime_error(std::string("cannot write: ") + std::strerror(errno));
    at += static_cast<size_t>(n);
  }
}

std::unique_ptr<parquet::arrow::FileReader> open(const char* path) {
  parquet::arrow::FileReaderBuilder builder;
  check(builder.Open(
      value_or_throw(arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ))));
  parquet::ArrowReaderProperties properties;
  properties.set_batch_size(kRowsAtOnce);
  properties.set_use_threads(false);
  builder.properties(properties);
  std::unique_ptr<parquet::arrow::FileReader> reader;
  check(builder.Build(&reader));
  return reader;
}

void write_rows(const char* path, int out) {
  const auto reader = open(path);
  const auto batches = value_or_throw(reader->GetRecordBatchReader());
  int64_t number = 0;
  for (std::shared_ptr<arrow::RecordBatch> batch;;) {
    check(batches->ReadNext(&batch));
    if (!batch) return;
    const auto rows = value_or_throw(batch->ToStructArray());
    std::string lines;
    for (int64_t i = 0; i < rows->length(); ++i) {
      ++number;
      try {
        lines += struct_at(*rows, i).dump();
      } catch (const nlohmann::json::exception&) {
        throw std::runtime_error("row " + std::to_string(number) +
                                 " holds bytes that are not UTF-8");
      }
      lines += '\n';
    }
    write_all(out, lines);
  }
}

}  // namespace

/// Writes each row of the Parquet file at `path` as one JSON object and a line feed to the
/// descriptor `out`. Gives null, or what went wrong, which the caller passes to free().
extern "C" __attribute__((visibility("default"))) char* mop_parquet_json_lines(const char* path,
                                                                               int out) {
  try {
    write_rows(path, out);
    return nullptr;
  } catch (const std::exception& e) {
    return ::strdup(e.what());
  }
}
