// cli/next_commands.cc
#include "cli/next_commands.h"

#include <errno.h>
#include <fmt/format.h>

#include "base/json.h"
#include "base/read_values.h"
#include "base/shell_word.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// As it was called: a path where the shell was given one.
std::string program() {
  const std::string name = program_invocation_name;
  return shell_word(name.empty() ? "mop" : name);
}

bool is_plain_text(const std::string& file) { return fs::path(file).extension() == ".txt"; }

// Held-out text where the run was given some, else what it calibrated on.
std::string evaluate(const Json& recipe, const std::string& result) {
  for (const char* section : {"validation", "calibration"}) {
    const std::string file = word_of(part_of(recipe, section), "file");
    if (!is_plain_text(file)) continue;
    return fmt::format("eval {} --vs {} --text {} --protocol lines", result,
                       shell_word(word_of(recipe, "model")), shell_word(file));
  }
  return fmt::format("generate {} --prompt 'Once upon a time' --max-new-tokens 40", result);
}

std::string recover(const Json& recipe, const std::string& result, const fs::path& out) {
  const Json& calibration = part_of(recipe, "calibration");
  std::string file = word_of(calibration, "file");
  if (file.empty()) file = "built-in";
  const std::string images = word_of(calibration, "images");
  return fmt::format("recover {} --data {}{} --out {}", result, shell_word(file),
                     images.empty() ? "" : " --images " + shell_word(images),
                     shell_word(out.string() + "-recovered"));
}

bool sees(const fs::path& out) { return read_json(out / "config.json").contains("vision_config"); }

}  // namespace

std::vector<std::string> next_commands(const fs::path& out) {
  const Json recipe = read_yaml(out / "run" / "recipe.yaml");
  const std::string result = shell_word(out.string());
  std::vector<std::string> commands = {evaluate(recipe, result), recover(recipe, result, out)};
  // A GGUF file holds a language model alone.
  commands.push_back(sees(out) ? "check " + result
                               : fmt::format("export {} --format gguf --out {}", result,
                                             shell_word(out.string() + ".gguf")));
  for (std::string& command : commands) command = program() + " " + command;
  return commands;
}

}  // namespace mop
