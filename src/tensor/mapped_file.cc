// tensor/mapped_file.cc -- mappings, and the SIGBUS handler that maps zeros over the missing part
// of a file.
#include "tensor/mapped_file.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/file_error.h"
#include "tensor/huge_pages.h"
#include "tensor/lost_bytes.h"

namespace mop {

/// One live mapping. Rows form a linked list that only grows; free rows are reused. The handler
/// reads it without a lock, since it can run on any thread at any time.
struct Mapping {
  std::atomic<uintptr_t> begin{0};  // 0 = free row
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> faulted{false};  // bytes were asked for and not there
  size_t bytes = 0;                  // guarded by the mutex, like the four below
  int file = -1;
  std::string path;
  bool reported = false;  // whether check_mappings has thrown for this row
  bool looked_at = false;
  std::atomic<bool> writable{false};
  Mapping* next = nullptr;
};

namespace {

std::atomic<Mapping*> mappings{nullptr};
std::mutex mutex;
// A file whose bytes were missing: it shrank, or the disk could not read it.
struct Lost {
  std::string path;
  bool shrank;
};
// Such files that were unmapped before check_mappings reported them.
std::vector<Lost> unreported;
struct sigaction previous_action;
uintptr_t page_bytes = 4096;

const Mapping* find_mapping(uintptr_t address) {
  for (Mapping* row = mappings.load(std::memory_order_acquire); row != nullptr; row = row->next) {
    const uintptr_t begin = row->begin.load(std::memory_order_acquire);
    if (begin != 0 && begin <= address && address < row->end.load(std::memory_order_acquire))
      return row;
  }
  return nullptr;
}

// Maps a page of zeros at the faulting address and marks the file. Uses system calls and atomics
// only.
void on_bus_error(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  const Mapping* row = info->si_code > 0 ? find_mapping(address) : nullptr;
  if (row != nullptr) {
    void* page = reinterpret_cast<void*>(address & ~(page_bytes - 1));
    const int access = row->writable.load() ? PROT_READ | PROT_WRITE : PROT_READ;
    if (::mmap(page, page_bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
      const_cast<Mapping*>(row)->faulted.store(true, std::memory_order_release);
      errno = saved;
      return;
    }
  }
  // The address is not in our mappings: restore the previous handler; the instruction (or raise)
  // then repeats.
  ::sigaction(SIGBUS, &previous_action, nullptr);
  if (info->si_code <= 0) ::raise(signal);
  errno = saved;
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous_action);
  });
}

Mapping* register_mapping(const void* data, size_t size, int file, const std::string& path) {
  install_handler();
  const std::lock_guard lock(mutex);
  Mapping* row = mappings.load();
  while (row != nullptr && row->begin.load() != 0) row = row->next;
  if (row == nullptr) {
    row = new Mapping;  // never freed: the handler may read it at any time
    row->next = mappings.load();
    mappings.store(row, std::memory_order_release);
  }
  row->bytes = size;
  row->file = file;
  row->path = path;
  row->reported = false;
  row->looked_at = false;
  row->faulted.store(false);
  row->writable.store(false);
  const auto begin = reinterpret_cast<uintptr_t>(data);
  row->end.store(begin + (size + page_bytes - 1) / page_bytes * page_bytes);
  row->begin.store(begin, std::memory_order_release);
  return row;
}

bool is_short(const Mapping& row) {
  struct stat now {};
  return ::fstat(row.file, &now) == 0 && static_cast<size_t>(now.st_size) < row.bytes;
}

// A file truncated within its last mapped page causes no fault, so the size is checked too.
bool lost_bytes(const Mapping& row) { return row.faulted.load() || is_short(row); }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = path;
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  mapped->file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (mapped->file_ < 0) throw file_error("read", path, errno);
  struct stat status {};
  if (::fstat(mapped->file_, &status) != 0) throw file_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw file_error("read", path, EISDIR);
  if (!S_ISREG(status.st_mode))
    throw io_error("cannot read: not a regular file").where("file", path.string());
  mapped->size_ = static_cast<size_t>(status.st_size);
  if (mapped->size_ == 0) return mapped;
  void* data = ::mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, mapped->file_, 0);
  if (data == MAP_FAILED) throw file_error("map", path, errno);
  mapped->data_ = static_cast<const std::byte*>(data);
  // Sequential reads of weights are 10% faster where the page cache uses huge pages.
  ::madvise(data, mapped->size_, MADV_HUGEPAGE);
  mapped->mapping_ = register_mapping(data, mapped->size_, mapped->file_, path.string());
  return mapped;
}

MappedFile::~MappedFile() {
  if (mapping_ != nullptr) {
    const std::lock_guard lock(mutex);
    if (lost_bytes(*mapping_) && !mapping_->reported)
      unreported.push_back({mapping_->path, is_short(*mapping_)});
    // Unmapped before the row is freed, so that an address never belongs to two rows.
    ::munmap(const_cast<std::byte*>(data_), size_);
    mapping_->begin.store(0, std::memory_order_release);
  }
  if (file_ >= 0) ::close(file_);
}

at::Tensor tensor_view(const std::shared_ptr<const MappedFile>& file, size_t begin,
                       at::IntArrayRef shape, DType dtype) {
  const auto elements = static_cast<size_t>(c10::multiply_integers(shape));
  const size_t size = elements * dtype_bytes(dtype);
  if (begin > file->bytes().size() || size > file->bytes().size() - begin) {
    throw internal_error("bytes {} to {} lie outside the mapped file", begin, begin + size)
        .where("file", file->path().string());
  }
  const auto options = at::TensorOptions().dtype(dtype);
  if (elements == 0) return at::empty(shape, options);
  // Read-only by contract; ATen has no const data pointer.
  auto* data = const_cast<std::byte*>(file->bytes().data() + begin);
  if (begin % dtype_bytes(dtype) != 0) {
    at::Tensor copy = at::empty(shape, options);
    std::memcpy(copy.data_ptr(), data, size);
    return copy;
  }
  return at::from_blob(
      data, shape, [file](void*) {}, options);
}

at::Tensor writable_view(const at::Tensor& mapped) {
  if (!mapped.defined() || mapped.device().type() != c10::kCPU || mapped.numel() == 0)
    return mapped;
  if (!mapped.is_contiguous()) return mapped.clone();
  const auto address = reinterpret_cast<uintptr_t>(mapped.const_data_ptr());
  const Mapping* source = find_mapping(address);
  if (source == nullptr) return mapped;
  const size_t offset = address - source->begin.load();
  const size_t start = offset & ~(page_bytes - 1);
  const size_t size = offset - start + mapped.nbytes();
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
                      source->file, static_cast<off_t>(start));
  if (data == MAP_FAILED) throw file_error("map", source->path, errno);
  // The file's own row reports missing bytes; this row serves the signal handler only.
  Mapping* row = register_mapping(data, size, source->file, source->path);
  row->bytes = 0;
  row->writable.store(true);
  const auto unmap = [data, size, row, keep = mapped](void*) {
    const std::lock_guard lock(mutex);
    ::munmap(data, size);
    row->begin.store(0, std::memory_order_release);
  };
  return at::from_blob(static_cast<std::byte*>(data) + (offset - start), mapped.sizes(), unmap,
                       mapped.options());
}

void check_mappings() {
  const std::lock_guard lock(mutex);
  std::vector<Lost> lost;
  lost.swap(unreported);
  for (Mapping* row = mappings.load(); row != nullptr; row = row->next) {
    if (row->begin.load() == 0) continue;
    if (!lost_bytes(*row)) continue;
    row->reported = true;
    lost.push_back({row->path, is_short(*row)});
  }
  if (lost.empty()) return;
  const auto shrunk = std::ranges::find(lost, true, &Lost::shrank);
  const Lost& told = shrunk == lost.end() ? lost.front() : *shrunk;
  throw io_error("the file {} while it was mapped: results computed from it are invalid",
                 told.shrank ? "shrank" : "could not be read")
      .where("file", told.path)
      .hint("restore the file and start again");
}

Error cause_of(const Error& error) {
  try {
    check_mappings();
  } catch (const Error& lost) {
    return lost;
  }
  return error;
}

namespace {

void advise(const at::Tensor& mapped, int advice, bool inner_pages_only) {
  if (!mapped.defined() || mapped.device().type() != c10::kCPU || mapped.numel() == 0) return;
  auto begin = reinterpret_cast<uintptr_t>(mapped.data_ptr());
  auto end = begin + mapped.nbytes();
  if (find_mapping(begin) == nullptr) return;
  const uintptr_t mask = ~(page_bytes - 1);
  begin = inner_pages_only ? (begin + page_bytes - 1) & mask : begin & mask;
  if (inner_pages_only) end &= mask;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

std::optional<MappedRange> first_look_at_mapping(const at::Tensor& mapped) {
  if (!mapped.defined() || !mapped.device().is_cpu()) return std::nullopt;
  const std::lock_guard lock(mutex);
  auto* row = const_cast<Mapping*>(find_mapping(reinterpret_cast<uintptr_t>(mapped.data_ptr())));
  if (row == nullptr || row->looked_at) return std::nullopt;
  row->looked_at = true;
  return MappedRange{reinterpret_cast<const std::byte*>(row->begin.load()), row->bytes, row->file};
}

void prefetch(const at::Tensor& mapped) { advise(mapped, MADV_WILLNEED, false); }
void release(const at::Tensor& mapped) { advise(mapped, MADV_DONTNEED, true); }

}  // namespace mop
