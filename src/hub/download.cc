// hub/download.cc
#include "hub/download.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/file_error.h"
#include "base/files.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr size_t kSha256Digits = 64;
constexpr double kLongestWait = 60;
constexpr int kWrongCopies = 2;

/// Another process renamed or removed the unfinished file: on file systems without working locks,
/// two may download the same one. What is open is then its finished file, and must not be changed.
struct TakenAway {};

/// The unfinished file, opened for appending.
class Part {
 public:
  explicit Part(const fs::path& path) : path_(path) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) fail();
    size_ = ::lseek(fd_, 0, SEEK_END);
  }
  ~Part() { ::close(fd_); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  int64_t size() const { return size_; }
  void check_here() const {
    struct stat named {
    }, opened{};
    if (::fstat(fd_, &opened) != 0) fail();
    if (::stat(path_.c_str(), &named) != 0 || named.st_ino != opened.st_ino) throw TakenAway();
  }
  void clear() {
    check_here();
    if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) fail();
    size_ = 0;
  }
  void add(std::string_view bytes) {
    check_here();
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail();
      bytes.remove_prefix(static_cast<size_t>(n));
      size_ += n;
    }
  }

 private:
  [[noreturn]] void fail() const { throw file_error("write", path_, errno); }
  fs::path path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

/// Aborts a transfer with an unexpected answer; a retry may succeed.
struct WrongAnswer {
  std::string reason;
};

// "bytes 100-199/200" -> {100, 200}; -1 for missing values.
std::pair<int64_t, int64_t> content_range(const std::string& header) {
  long long first = -1, last = -1, total = -1;
  if (std::sscanf(header.c_str(), "bytes %lld-%lld/%lld", &first, &last, &total) < 2)
    return {-1, -1};
  return {first, total};
}

// Checks the headers of an answer before its first byte is kept.
void check_head(const HttpAnswer& answer, const RemoteFile& file, Part& part) {
  int64_t total = -1;
  if (answer.status == 206) {
    const auto [first, all] = content_range(answer.header("content-range"));
    if (first != part.size()) {
      throw WrongAnswer{fmt::format("the server sends bytes from {}, asked for those from {}",
                                    first, part.size())};
    }
    total = all;
  } else {
    part.clear();  // a server without ranges sends the whole file
    const std::string length = answer.header("content-length");
    if (!length.empty()) total = std::atoll(length.c_str());
  }
  if (total >= 0 && total != file.size) {
    throw WrongAnswer{
        fmt::format("the server's file has {} bytes, the hub lists {}", total, file.size)};
  }
}

// Makes one attempt. Failures that a retry may fix are in the answer.
HttpAnswer transfer(HttpClient& http, const HubSettings& settings, const std::string& url,
                    const RemoteFile& file, Part& part,
                    const std::function<void(int64_t)>& on_bytes) {
  HttpRequest request{url, settings.token, part.size(), settings.stall_seconds, nullptr};
  bool begun = false;
  request.sink = [&](const HttpAnswer& answer, std::string_view bytes) {
    if (!begun) check_head(answer, file, part);
    begun = true;
    if (part.size() + static_cast<int64_t>(bytes.size()) > file.size) {
      part.clear();
      throw WrongAnswer{fmt::format("the server sends more than the {} bytes listed", file.size)};
    }
    part.add(bytes);
    on_bytes(part.size());
  };
  try {
    HttpAnswer answer = http.get(request);
    if (answer.status == 416) {  // the server has nothing after our bytes: this is another file
      part.clear();
      answer.failure = "the server has no bytes behind those that are here";
      answer.retryable = true;
    } else if (answer.ok() && part.size() < file.size) {
      answer.failure =
          fmt::format("the transfer ended after {} of {} bytes", part.size(), file.size);
      answer.retryable = true;
    }
    return answer;
  } catch (const WrongAnswer& wrong) {
    HttpAnswer answer;
    answer.failure = wrong.reason;
    answer.retryable = true;
    return answer;
  }
}

void wait_seconds(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  while (Clock::now() < end) {
    check_stop();
    std::this_thread::sleep_for(
        std::min<Clock::duration>(std::chrono::milliseconds(50), end - Clock::now()));
  }
}

std::string failure_text(const HttpAnswer& answer) {
  return answer.failure.empty() ? fmt::format("the server answers {}", answer.status)
                                : answer.failure;
}

Error gave_up(const std::string& what, const std::string& reason, int64_t attempts) {
  return io_error("{}: gave up after {} attempts: {}", what, attempts, reason)
      .hint("start it again later: what has arrived is kept and continued");
}

}  // namespace

std::string file_checksum(const fs::path& file, size_t digits) {
  const bool sha256 = digits == kSha256Digits;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), sha256 ? EVP_sha256() : EVP_sha1(), nullptr);
  if (!sha256) {
    const std::string head = fmt::format("blob {}", fs::file_size(file)) + '\0';
    EVP_DigestUpdate(hash.get(), head.data(), head.size());
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rb"),
                                                               std::fclose);
  if (!stream) throw file_error("read", file, errno);
  std::vector<char> chunk(1 << 20);
  while (const size_t n = std::fread(chunk.data(), 1, chunk.size(), stream.get())) {
    EVP_DigestUpdate(hash.get(), chunk.data(), n);
    check_stop();
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(hash.get(), digest, &size);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

HttpAnswer ask_with_retries(const HubSettings& settings, const std::string& what,
                            const std::function<HttpAnswer()>& ask,
                            const std::function<bool()>& made_progress, Progress& progress) {
  int64_t failures = 0;
  double wait = settings.first_wait_seconds;
  while (true) {
    HttpAnswer answer = ask();
    if (answer.ok() || !answer.retryable) return answer;
    if (made_progress()) {
      failures = 0;
      wait = settings.first_wait_seconds;
    }
    if (++failures >= settings.attempts) throw gave_up(what, failure_text(answer), failures);
    const double asked = std::atof(answer.header("retry-after").c_str());
    const double pause = std::min(kLongestWait, std::max(wait, asked));
    progress.note(fmt::format("{}: {}; trying again in {:.0f} s", what, failure_text(answer),
                              std::ceil(pause)));
    wait_seconds(pause);
    wait *= 2;
  }
}

namespace {

HttpAnswer download_part(HttpClient& http, const HubSettings& settings, const std::string& url,
                         const RemoteFile& file, const fs::path& blob, const fs::path& path,
                         const std::function<void(int64_t)>& on_bytes, Progress& progress) {
  Part part(path);
  for (int copy = 1;; ++copy) {
    if (part.size() > file.size) part.clear();
    int64_t before = part.size();
    on_bytes(before);
    const auto ask = [&] {
      before = part.size();
      if (part.size() < file.size) return transfer(http, settings, url, file, part, on_bytes);
      HttpAnswer nothing_to_ask;
      nothing_to_ask.status = 200;
      return nothing_to_ask;
    };
    HttpAnswer answer = ask_with_retries(
        settings, file.name, ask, [&] { return part.size() > before; }, progress);
    if (!answer.ok()) return answer;
    part.check_here();
    const std::string found = file_checksum(path, file.checksum.size());
    if (found == file.checksum) {
      sync_path(path);
      fs::rename(path, blob);
      return answer;
    }
    part.clear();
    if (copy == kWrongCopies) {
      fs::remove(path);
      throw io_error(
          "{}: what the server sends is not the file that the hub lists: checksum {}, expected {}",
          file.name, found, file.checksum)
          .where("url", shown_url(url));
    }
    progress.note(file.name + ": the checksum is wrong; downloading it once more");
  }
}

}  // namespace

HttpAnswer download_file(HttpClient& http, const HubSettings& settings, const std::string& url,
                         const RemoteFile& file, const fs::path& blob,
                         const std::function<void(int64_t)>& on_bytes, Progress& progress) {
  const fs::path path = blob.string() + ".incomplete";
  try {
    return download_part(http, settings, url, file, blob, path, on_bytes, progress);
  } catch (const TakenAway&) {
    if (!fs::exists(blob)) {
      throw io_error("{}: another program removed the unfinished file", file.name)
          .where("file", path.string());
    }
  }
  HttpAnswer fetched_by_another;
  fetched_by_another.status = 200;
  return fetched_by_another;
}

}  // namespace mop
