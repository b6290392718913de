// jobs/child.cc
#include "jobs/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/progress.h"

extern char** environ;

namespace mop {
namespace {

// An unnamed file for a child's output, read after the child ends; unlike a pipe it cannot fill up.
class Output {
 public:
  Output() : file_(std::tmpfile()) {
    if (file_ == nullptr) throw io_error("cannot make a temporary file: {}", std::strerror(errno));
  }
  ~Output() { std::fclose(file_); }
  int descriptor() const { return ::fileno(file_); }
  std::string text() const {
    std::string text;
    char buffer[4096];
    std::rewind(file_);
    for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file_)) > 0;) text.append(buffer, n);
    return text;
  }

 private:
  std::FILE* file_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;  // the first of two equal names is used
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  return all;
}

// Starts the child in its own process group, so that its children can be terminated too. 0 =
// program not found.
pid_t start(std::vector<std::string> args, std::vector<std::string> environment, const Output& out,
            const Output& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.descriptor(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, args[0].c_str(), &actions, &attributes,
                                    pointers(args).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == 0) return pid;
  if (failed == ENOENT || failed == EACCES || failed == ENOTDIR) return 0;
  throw io_error("cannot start {}: {}", args[0], std::strerror(failed));
}

void end_group(pid_t pid, int& status) {
  ::kill(-pid, SIGKILL);
  ::waitpid(pid, &status, 0);
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& args,
                      const std::vector<std::string>& environment, double timeout_seconds) {
  using Clock = std::chrono::steady_clock;
  const Output out, err;
  ChildResult result;
  const pid_t pid = start(args, environment_with(environment), out, err);
  if (pid == 0) return result;
  result.started = true;
  const auto limit = Clock::now() + std::chrono::duration<double>(timeout_seconds);
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    result.timed_out = Clock::now() > limit;
    if (result.timed_out || stop_requested() != 0) {
      end_group(pid, status);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  check_stop();
  result.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  result.out = out.text();
  result.err = err.text();
  return result;
}

}  // namespace mop
