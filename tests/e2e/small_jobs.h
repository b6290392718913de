// tests/e2e/small_jobs.h -- every job that writes, on a model so small that it takes a second.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "e2e/training.h"

namespace mop::testing {

/// A model of two layers and a few lines of text, made once.
class Home {
 public:
  static const Home& get() {
    static const Home home;
    return home;
  }
  fs::path path() const { return folder_.path(); }
  std::string model() const { return (path() / "model").string(); }
  std::string text() const { return (path() / "text.txt").string(); }
  std::string recipe() const { return (path() / "recipe.yaml").string(); }

 private:
  Home() {
    const Ran ran = run(scratch_args(path(), path() / "trained", {"--tokens", "200"}));
    EXPECT_EQ(ran.exit, 0) << ran.err;
    for (const char* entry : {"run", "README.md"}) fs::remove_all(path() / "trained" / entry);
    fs::rename(path() / "trained", path() / "model");
    const std::string all = read_file(demo_calibration());
    write_file(text(), all.substr(0, all.rfind('\n', 6000) + 1));
    write_file(recipe(), "recovery:\n  data: {file: " + text() +
                             ", max_tokens: 32}\n  tokens: 250\n  accumulate: 2\n  save_every: 2\n"
                             "  learning_rate: 1e-3\n  lora: {rank: 2}\n"
                             "  validate_every: 2\n  validation: {samples: 2}\n");
  }
  TempFolder folder_;
};

/// A command that writes, and what it is called.
struct Job {
  std::string name;
  Args (*args)(const fs::path& out);
  bool resumes = true;
};

inline Args pruning(const fs::path& out, const Args& more) {
  const Home& home = Home::get();
  Args args = {"prune", home.model(),   "--out", out.string(),    "--threads", "1", "--samples",
               "4",     "--max-tokens", "24",    "--calibration", home.text()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

inline Args training(const std::string& verb, const Args& model, const fs::path& out) {
  const Home& home = Home::get();
  Args args = {verb};
  args.insert(args.end(), model.begin(), model.end());
  const Args more = {
      "--data",   home.text(), "--out", out.string(),           "--max-tokens", "32",
      "--tokens", "250",       "--set", "accumulate=2",         "--set",        "save_every=2",
      "--lr",     "1e-3",      "--set", "validation.samples=2", "--threads",    "1"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

inline const std::vector<Job>& jobs() {
  static const std::vector<Job> all = {
      {"Prune",
       [](const fs::path& out) {
         return pruning(out, {"--remove", "0.2"});
       }},
      {"PruneAndRecover",
       [](const fs::path& out) {
         return pruning(
             out, {"--iterations", "1", "--select", "path:G", "--recipe", Home::get().recipe()});
       }},
      {"Recover",
       [](const fs::path& out) { return training("recover", {Home::get().model()}, out); }},
      {"Train",
       [](const fs::path& out) {
         const Home& home = Home::get();
         return training("train", {"--config", home.model(), "--tokenizer", home.model()}, out);
       }},
      {"ExportGguf",
       [](const fs::path& out) {
         return Args{"export", Home::get().model(), "--format", "gguf",
                     "--out",  out.string(),        "--force"};
       },
       false},
      {"ExportHf",
       [](const fs::path& out) {
         return Args{"export", Home::get().model(), "--format", "hf", "--out", out.string()};
       },
       false},
      {"Score",
       [](const fs::path& out) {
         const Home& home = Home::get();
         return Args{"score",         home.model(), "--criterion", "amp-heads",
                     "--calibration", home.text(),  "--samples",   "4",
                     "--out",         out.string(), "--force"};
       },
       false},
      {"Eval",
       [](const fs::path& out) {
         const Home& home = Home::get();
         return Args{"eval",       home.model(), "--text", home.text(), "--protocol",
                     "windows:32", "--limit",    "2",      "--out",     out.string(),
                     "--threads",  "1",          "--force"};
       },
       false}};
  return all;
}

/// What a job left: a folder's files, or the one file without how long it took.
inline std::map<std::string, std::string> result(const fs::path& out) {
  if (fs::is_directory(out)) return tree(out);
  std::string bytes = read_file(out);
  if (bytes.starts_with("{")) {
    Json answer = Json::parse(bytes);
    answer.erase("seconds");
    bytes = answer.dump();
  }
  return {{"file", bytes}};
}

/// The arguments that continue a job, or that do it again.
inline Args again(const Job& job, const fs::path& out) {
  Args all = job.args(out);
  if (job.resumes) all.push_back("--resume");
  return all;
}

/// What a job that nothing disturbs leaves, in a folder of its own.
inline std::map<std::string, std::string> undisturbed(const Job& job, const fs::path& folder) {
  fs::create_directories(folder);
  EXPECT_EQ(run(job.args(folder / "out")).exit, 0);
  return result(folder / "out");
}

}  // namespace mop::testing
