// tensor/gather.cc
//
// The source is viewed as [outer, length, inner] around the axis and the index as runs of
// consecutive positions. Each line of the result (one `outer`) is then a sequence of runs that are
// contiguous in source and result.
#include "tensor/gather.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstring>
#include <vector>

#include "base/error.h"
#include "tensor/convert.h"

namespace mop {
namespace {

struct Run {
  int64_t from;  // first position in the source's axis
  int64_t to;    // first position in the result's axis
  int64_t count;
};

std::vector<Run> runs_of(std::span<const int32_t> index, int64_t length) {
  std::vector<Run> runs;
  int64_t previous = -1;
  for (size_t i = 0; i < index.size(); ++i) {
    const int64_t at = index[i];
    if (at <= previous || at >= length) {
      throw internal_error("index {} at place {} does not rise or is outside 0..{}", at, i,
                           length - 1);
    }
    if (!runs.empty() && at == previous + 1) {
      ++runs.back().count;
    } else {
      runs.push_back({at, static_cast<int64_t>(i), 1});
    }
    previous = at;
  }
  return runs;
}

// Returns memory for the result: that of `reuse` when it fits.
at::Tensor make_result(std::vector<int64_t> shape, DType dtype, const at::Tensor& reuse) {
  if (reuse.defined() && reuse.scalar_type() == dtype && reuse.device().is_cpu()) {
    const auto needed = static_cast<size_t>(c10::multiply_integers(shape)) * dtype_bytes(dtype);
    if (reuse.storage().nbytes() >= needed) {
      std::vector<int64_t> strides(shape.size(), 1);
      for (size_t i = shape.size(); i-- > 1;)
        strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
      return reuse.detach().as_strided(shape, strides, 0);
    }
  }
  return at::empty(shape, at::TensorOptions().dtype(dtype));
}

// Copies single elements of a line, for scattered columns.
template <typename T>
void pick(const std::byte* from, std::byte* to, std::span<const int32_t> index) {
  const T* source = reinterpret_cast<const T*>(from);
  T* result = reinterpret_cast<T*>(to);
  for (size_t i = 0; i < index.size(); ++i) result[i] = source[index[i]];
}

struct Job {
  const std::byte* from;
  std::byte* to;
  int64_t outer, length, kept, inner;
  size_t from_bytes, to_bytes;  // of one element
  Convert convert;
  std::vector<Run> runs;
};

// Shorter runs are first gathered element by element.
constexpr int64_t kShortRun = 16;

// Gathers lines [begin, end) when the axis is not the outermost.
void gather_lines(const Job& job, std::span<const int32_t> index, int64_t begin, int64_t end) {
  const bool scattered = job.inner == 1 &&
                         job.kept < kShortRun * static_cast<int64_t>(job.runs.size()) &&
                         (job.from_bytes == 2 || job.from_bytes == 4);
  std::vector<std::byte> line(scattered ? static_cast<size_t>(job.kept) * job.from_bytes : 0);
  const auto inner = static_cast<size_t>(job.inner);
  for (int64_t o = begin; o < end; ++o) {
    const std::byte* from = job.from + static_cast<size_t>(o * job.length) * inner * job.from_bytes;
    std::byte* to = job.to + static_cast<size_t>(o * job.kept) * inner * job.to_bytes;
    if (scattered) {
      job.from_bytes == 2 ? pick<uint16_t>(from, line.data(), index)
                          : pick<uint32_t>(from, line.data(), index);
      job.convert(line.data(), to, static_cast<size_t>(job.kept));
      continue;
    }
    for (const Run& run : job.runs) {
      job.convert(from + static_cast<size_t>(run.from) * inner * job.from_bytes,
                  to + static_cast<size_t>(run.to) * inner * job.to_bytes,
                  static_cast<size_t>(run.count) * inner);
    }
  }
}

// Gathers rows [begin, end) of the result when the axis is the outermost. Work is split by result
// rows, because one run can be the whole matrix.
void gather_rows(const Job& job, int64_t begin, int64_t end) {
  const auto inner = static_cast<size_t>(job.inner);
  for (const Run& run : job.runs) {
    const int64_t first = std::max(begin, run.to);
    const int64_t last = std::min(end, run.to + run.count);
    if (first >= last) continue;
    const int64_t source = run.from + (first - run.to);
    job.convert(job.from + static_cast<size_t>(source) * inner * job.from_bytes,
                job.to + static_cast<size_t>(first) * inner * job.to_bytes,
                static_cast<size_t>(last - first) * inner);
  }
}

}  // namespace

at::Tensor gather(const at::Tensor& source, int64_t axis, std::span<const int32_t> index,
                  DType dtype, at::Tensor reuse) {
  if (axis < 0 || axis >= source.dim() || !source.is_contiguous() || !source.device().is_cpu()) {
    throw internal_error("gather needs a contiguous tensor and one of its axes, got axis {} of {}",
                         axis, source.dim());
  }
  std::vector<int64_t> shape = source.sizes().vec();
  Job job{};
  job.length = shape[static_cast<size_t>(axis)];
  job.runs = runs_of(index, job.length);
  job.kept = static_cast<int64_t>(index.size());
  job.outer = job.inner = 1;
  for (int64_t i = 0; i < axis; ++i) job.outer *= shape[static_cast<size_t>(i)];
  for (int64_t i = axis + 1; i < source.dim(); ++i) job.inner *= shape[static_cast<size_t>(i)];
  shape[static_cast<size_t>(axis)] = job.kept;
  at::Tensor result = make_result(std::move(shape), dtype, reuse);
  if (result.numel() == 0) return result;

  job.from = static_cast<const std::byte*>(source.const_data_ptr());
  job.to = static_cast<std::byte*>(result.data_ptr());
  job.from_bytes = dtype_bytes(source.scalar_type());
  job.to_bytes = dtype_bytes(dtype);
  job.convert = find_convert(source.scalar_type(), dtype);
  constexpr int64_t kGrain = 1 << 16;  // elements per thread
  if (job.outer == 1) {
    at::parallel_for(0, job.kept, kGrain / job.inner + 1,
                     [&](int64_t begin, int64_t end) { gather_rows(job, begin, end); });
  } else {
    at::parallel_for(0, job.outer, kGrain / (job.kept * job.inner) + 1,
                     [&](int64_t begin, int64_t end) { gather_lines(job, index, begin, end); });
  }
  return result;
}

}  // namespace mop
