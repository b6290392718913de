// tensor/scratch.cc
#include "tensor/scratch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/file_error.h"
#include "base/files.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

[[noreturn]] void fail(const std::filesystem::path& folder, int error, size_t bytes = 0) {
  throw file_error("write intermediate values", folder, error, static_cast<int64_t>(bytes));
}

// A file that is deleted with the object; existing mappings keep its content.
class UnnamedFile {
 public:
  explicit UnnamedFile(const std::filesystem::path& folder)
      : folder_(folder), path_(temporary_neighbour(folder / "scratch").string()) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0) fail(folder_, errno);
  }
  ~UnnamedFile() {
    ::close(file_);
    ::unlink(path_.c_str());
  }
  UnnamedFile(const UnnamedFile&) = delete;
  UnnamedFile& operator=(const UnnamedFile&) = delete;

  // Reserves disk space: writing to a mapping on a full disk would kill the process.
  void reserve(size_t size) {
    if (const int error = ::posix_fallocate(file_, 0, static_cast<off_t>(size)); error != 0)
      fail(folder_, error, size);
  }

  void write(const char* data, size_t size) {
    reserve(size);
    while (size > 0) {
      const ssize_t done = ::write(file_, data, size);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail(folder_, errno);
      data += done;
      size -= static_cast<size_t>(done);
    }
  }

  void* map_to_write(size_t size) {
    void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (data == MAP_FAILED) fail(folder_, errno);
    return data;
  }
  const std::string& path() const { return path_; }

 private:
  std::filesystem::path folder_;
  std::string path_;
  int file_;
};

}  // namespace

at::Tensor in_scratch(const at::Tensor& value, const std::filesystem::path& folder) {
  if (value.numel() == 0) return value;
  const at::Tensor bytes = value.contiguous();
  UnnamedFile file(folder);
  file.write(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes());
  return tensor_view(MappedFile::open(file.path()), 0, bytes.sizes(), bytes.scalar_type());
}

at::Tensor zeros_in_scratch(at::IntArrayRef shape, DType dtype,
                            const std::filesystem::path& folder) {
  const auto options = at::TensorOptions().dtype(dtype);
  const size_t bytes =
      static_cast<size_t>(c10::multiply_integers(shape)) * static_cast<size_t>(dtype_bytes(dtype));
  if (bytes == 0) return at::empty(shape, options);
  UnnamedFile file(folder);
  file.reserve(bytes);
  void* data = file.map_to_write(bytes);
  return at::from_blob(
      data, shape, [data, bytes](void*) { ::munmap(data, bytes); }, options);
}

}  // namespace mop
