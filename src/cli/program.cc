// cli/program.cc
#include "cli/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <set>
#include <sstream>
#include <vector>

#include "base/build_info.h"
#include "base/error.h"
#include "base/files.h"
#include "base/library_error.h"
#include "base/named_table.h"
#include "base/nearest.h"
#include "base/plain_text.h"
#include "base/shell_word.h"
#include "cli/console.h"
#include "cli/model_argument.h"
#include "cli/verb.h"
#include "cli/verb_table.h"
#include "run/runtime.h"
#include "tensor/device_error.h"
#include "tensor/lost_bytes.h"

namespace mop {
namespace {

// The first signal requests a stop, the second exits immediately.
void on_signal(int signal) {
  if (stop_requested() != 0) ::_exit(128 + signal);
  request_stop(signal);
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A closed terminal is a stop request too, unless nohup ignores it.
  struct sigaction before {};
  if (::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
    ::sigaction(SIGHUP, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // writes beyond the file size limit fail instead
}

// Occupies closed standard streams, so that a file opened later cannot become standard output.
// Writes to an occupied stream fail, as they should.
void occupy_standard_streams() {
  for (int stream = 0; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

// Mapped files stay open, and values that changed lie in a file each: those of a large model are
// more than the 1024 that a shell allows at first.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void check_verb(const std::string& word) {
  const std::vector<std::string> known = names_of(all_verbs());
  if (std::ranges::find(known, word) == known.end()) throw unknown_name("verb", word, known);
}

// Returns an error for flags that the verb does not have, with suggestions; nullopt without any.
std::optional<Error> unknown_flags(int argc, char** argv) {
  const auto verb = std::ranges::find(all_verbs(), argv[1], &Verb::name);
  if (verb == all_verbs().end()) return std::nullopt;
  const std::vector<std::string> known = names_of(flags_of(*verb));
  std::vector<std::string> unknown;
  for (int i = 2; i < argc && argv[i] != std::string_view("--"); ++i) {
    const std::string flag = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (!flag.starts_with("--") || std::ranges::find(known, flag) != known.end()) continue;
    unknown.push_back(with_nearest(flag, known));
  }
  if (unknown.empty()) return std::nullopt;
  return usage_error("mop {} has no flag {}", argv[1], fmt::join(unknown, ", "));
}

// Returns JSON of any text, including text cut inside a UTF-8 character.
std::string printable(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Escapes control characters for terminals: names and texts of files may contain them.
std::string shown(const Answer& answer, bool as_json) {
  const std::string text = as_json ? printable(answer.json) : answer.text;
  const bool unchanged = (as_json || answer.verbatim) && ::isatty(STDOUT_FILENO) == 0;
  return unchanged ? text : plain_text(text);
}

void print_result(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw io_error("cannot write to standard output: {}", std::strerror(errno));
  }
}

// The parsed command: a verb's function and the common flags.
struct Command {
  std::function<Answer(Progress&)> work;
  CommonFlags common;
};

void add_verb(CLI::App& app, const Verb& verb, Command& command) {
  CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
  const auto work = declare(*sub, verb, command.common);
  sub->callback([work, sub, part = verb.part, &command] {
    command.work = [work, sub, part](Progress& progress) {
      resolve_models(*sub, part, progress);
      return work(progress);
    };
  });
}

// Lists the verbs by task in the program's help, each with an example.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_subcommands(const CLI::App* app, CLI::AppFormatMode mode) const override {
    if (app->get_parent() != nullptr) return CLI::Formatter::make_subcommands(app, mode);
    std::string text, task;
    for (const Verb& verb : all_verbs()) {
      if (verb.task != task) text += fmt::format("\n{}:\n", verb.task);
      task = verb.task;
      text +=
          fmt::format("  {:<11} {}\n  {:<11}   {}\n", verb.name, verb.summary, "", verb.example);
    }
    return text;
  }
};

int run_command(const Command& command) {
  Console console(stderr, ::isatty(STDERR_FILENO) != 0);
  const Answer answer = command.work(console);
  console.clear();
  if (answer.silent) return 0;
  if (!command.common.out.empty()) write_file(command.common.out, printable(answer.json));
  print_result(shown(answer, command.common.json));
  return answer.exit;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("mop makes language models smaller by removing whole layers, heads and neurons",
               "mop");
  app.set_version_flag("--version", fmt::format("mop {}\ncommit {}\nLibTorch {}", mop_version(),
                                                mop_commit().empty() ? "unknown" : mop_commit(),
                                                libtorch_version()));
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(28);
  app.footer(
      "mop VERB --help: a verb's flags. mop list: what can be chosen by name. mop man: all of it.");
  Command command;
  for (const Verb& verb : all_verbs()) add_verb(app, verb, command);
  if (argc < 2) {
    std::fputs(app.help().c_str(), stderr);
    return 2;
  }
  if (argv[1][0] != '-') check_verb(argv[1]);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help, --version
      std::ostringstream text, nothing;
      app.exit(e, text, nothing);
      print_result(text.str());
      return 0;
    }
    Error error = unknown_flags(argc, argv).value_or(usage_error("{}", e.what()));
    throw std::move(error).hint(fmt::format("mop {} --help", argv[1]));
  }
  return run_command(command);
}

// Handles exceptions that no caller can catch: out of memory in a destructor or on another thread.
[[noreturn]] void report_and_exit() {
  const char* what = "an exception that could not be caught";
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    what = "out of memory: the machine has none left";
  } catch (...) {
  }
  write_ignoring_errors(stderr, "error: ");
  write_ignoring_errors(stderr, what);
  write_ignoring_errors(stderr, "\n");
  ::_exit(1);
}

int exit_code(const Error& error) {
  if (error.kind() == ErrorKind::kUsage) return 2;
  if (error.kind() == ErrorKind::kInterrupted && stop_requested() != 0)
    return 128 + stop_requested();
  return 1;
}

}  // namespace

void add_compute_flags(CLI::App& app, ComputeChoice& choice) {
  app.add_option("--device", choice.device, "cpu (default) or cuda")->type_name("NAME");
  app.add_option("--dtype", choice.dtype, "float32 or bfloat16 (default: by device)")
      ->type_name("NAME");
  add_threads_flag(app);
}

void add_threads_flag(CLI::App& app) {
  app.add_option_function<int64_t>(
      "--threads", [](int64_t threads) { set_threads(threads); },
      "threads to compute with (default: all cores)");
}

void add_report_flag(CLI::App& app, std::filesystem::path& file) {
  app.add_option("--report", file, "write a page of the figures, one HTML file")->type_name("FILE");
}

std::string command_line(const CLI::App& app) {
  std::string text = "mop " + app.get_name();
  std::set<const CLI::Option*> seen;
  for (const CLI::Option* option : app.parse_order()) {
    if (!seen.insert(option).second || option->check_lname("report") || option->check_lname("json"))
      continue;
    if (option->nonpositional()) text += " " + option->get_name();
    if (option->get_items_expected_max() == 0) continue;
    for (const std::string& value : option->results()) text += " " + shell_word(value);
  }
  return text;
}

namespace {

// Accepts numbers from 0, or above it, that products with the sizes of a model can take.
CLI::Validator bounded(bool zero) {
  const auto fault = [zero](const std::string& text) -> std::string {
    constexpr double kMost = 2147483647;
    const double value = std::strtod(text.c_str(), nullptr);
    if (value > kMost) return fmt::format("must be at most {:.0f}, got {}", kMost, text);
    if (value > 0 || (zero && value == 0)) return "";
    return fmt::format("must be {}, got {}", zero ? "0 or more" : "above 0", text);
  };
  return {fault, "NUMBER"};
}

}  // namespace

CLI::Validator not_negative() { return bounded(true); }
CLI::Validator positive() { return bounded(false); }

int run_program(int argc, char** argv) {
  occupy_standard_streams();
  catch_signals();
  allow_many_files();
  std::set_terminate(report_and_exit);
  try {
    return parse_and_run(argc, argv);
  } catch (const Error& e) {
    const Error cause = cause_of(e);
    write_ignoring_errors(stderr, fmt::format("error: {}\n", cause.what()));
    return exit_code(cause);
  } catch (const std::exception& e) {
    std::optional<Error> error = device_error(e);
    if (!error) error = library_error(e);
    if (!error) error = internal_error("{}", e.what());
    write_ignoring_errors(stderr, fmt::format("error: {}\n", error->what()));
  }
  return 1;
}

}  // namespace mop
