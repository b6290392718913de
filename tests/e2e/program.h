// tests/e2e/program.h -- runs the built program as a user would, and looks at what it leaves.
#pragma once
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace fs = std::filesystem;
using Args = std::vector<std::string>;

struct Ran {
  int exit = -1;    ///< the exit code, or -signal
  std::string out;  ///< stdout
  std::string err;  ///< stderr
  Json json() const { return Json::parse(out); }
};

/// What the system allows a program.
struct Limits {
  rlim_t file_bytes = RLIM_INFINITY;
  rlim_t open_files = 0,
         most_open_files = 0;  ///< at first, and what it may raise that to; 0 = ours
};

/// A program at work. Output goes to files, so that nothing blocks.
class Process {
 public:
  explicit Process(const Args& args, const Limits& limits = {}) {
    pid_ = ::fork();
    if (pid_ == 0) {
      redirect(folder_.path() / "out", STDOUT_FILENO);
      redirect(folder_.path() / "err", STDERR_FILENO);
      const rlimit bytes{limits.file_bytes, limits.file_bytes},
          files{limits.open_files, limits.most_open_files};
      ::setrlimit(RLIMIT_FSIZE, &bytes);
      if (files.rlim_max > 0) ::setrlimit(RLIMIT_NOFILE, &files);
      ::signal(SIGXFSZ, SIG_IGN);
      std::vector<char*> argv = {const_cast<char*>(MOP_PROGRAM)};
      for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  void send(int signal) const { ::kill(pid_, signal); }
  bool running() {
    if (done_) return false;
    done_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    return !done_;
  }
  Ran wait() {
    if (!done_) ::waitpid(pid_, &status_, 0);
    done_ = true;
    const int exit = WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
    return {exit, read_file(folder_.path() / "out"), read_file(folder_.path() / "err")};
  }

 private:
  static void redirect(const fs::path& file, int descriptor) {
    ::dup2(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), descriptor);
  }
  TempFolder folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool done_ = false;
};

/// Waits until `file` is there; false when the process ended first.
inline bool wait_for(Process& process, const fs::path& file) {
  for (; process.running(); std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
    if (fs::exists(file)) return true;
  }
  return false;
}

inline Ran run(const Args& args) { return Process(args).wait(); }

/// `mop prune` of the embedded model on a little text: a second or two.
inline Args prune_args(const fs::path& out, const Args& more) {
  Args args = {"prune",         demo_model().string(),
               "--out",         out.string(),
               "--calibration", demo_calibration().string(),
               "--samples",     "16",
               "--max-tokens",  "48"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

/// Contents of every file below `folder` by relative path, without what may differ between equal
/// runs: run.log, the timing in metrics.json and metrics.jsonl, the times in report.html.
inline std::map<std::string, std::string> tree(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().lexically_relative(folder).string();
    if (name == "run/run.log") continue;
    files[name] = read_file(entry.path());
    if (name == "run/report.html") {
      static const std::regex kTimes("<time>[^<]*</time>");
      files[name] = std::regex_replace(files[name], kTimes, "");
    }
    if (name == "run/metrics.json") {
      Json metrics = Json::parse(files[name]);
      metrics.erase("timing");
      files[name] = metrics.dump();
    }
    if (name.ends_with("metrics.jsonl")) {
      std::istringstream lines(std::exchange(files[name], ""));
      for (std::string line; std::getline(lines, line);) {
        Json step = Json::parse(line);
        step.erase("timing");
        files[name] += step.dump() + "\n";
      }
    }
  }
  return files;
}

/// Names of the files that differ or are missing on one side.
inline std::vector<std::string> differing(const fs::path& a, const fs::path& b) {
  const auto left = tree(a), right = tree(b);
  std::vector<std::string> names;
  for (const auto& [name, bytes] : left) {
    const auto it = right.find(name);
    if (it == right.end() || it->second != bytes) names.push_back(name);
  }
  for (const auto& [name, bytes] : right) {
    if (!left.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace mop::testing
