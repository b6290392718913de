// cli/completion.cc -- scripts for bash and zsh. The script contains all words, so that completion
// does not start the program.
#include "cli/completion.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/named_table.h"
#include "cli/verb_table.h"
#include "recipe/catalog.h"

namespace mop {
namespace {

std::string words(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, " "));
}

// Returns "width.budget=" for every setting in these tables.
std::vector<std::string> settings_in(const std::vector<std::string>& tables) {
  std::vector<std::string> keys;
  for (const std::string& table : tables) {
    for (const Json& row : catalog(table)) {
      for (const Json& option : row.value("options", Json::array())) {
        keys.push_back(option["key"].get<std::string>() + "=");
      }
    }
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::vector<std::string> settings_of(const std::string& verb) {
  const bool trains = verb == "recover" || verb == "train";
  if (trains) return settings_in({"recovery"});
  return settings_in({"recipe", "branches", "criteria", "repairs", "weights"});
}

// Returns `case` branches of the script: the values of each flag.
std::string value_cases() {
  std::string text;
  for (const Verb& verb : all_verbs()) {
    for (const VerbFlag& flag : flags_of(verb)) {
      if (flag.name == "--set") {
        text += fmt::format("    \"{} --set\") words=\"{}\"; keys=yes ;;\n", verb.name,
                            words(settings_of(verb.name)));
      } else if (!flag.values.empty() && !flag.is_argument()) {
        text += fmt::format("    \"{} {}\") words=\"{}\" ;;\n", verb.name, flag.name,
                            words(flag.values));
      }
    }
  }
  return text;
}

// Returns `case` branches for the arguments of each verb.
std::string argument_cases() {
  std::string text;
  for (const Verb& verb : all_verbs()) {
    for (const VerbFlag& flag : flags_of(verb)) {
      if (!flag.is_argument() || flag.values.empty()) continue;
      text += fmt::format("    \"{0} {0}\") words=\"{1}\" ;;\n", verb.name, words(flag.values));
    }
  }
  for (const CatalogTable& table : catalog_tables()) {
    if (table.name == "keys") continue;  // keys contain spaces and are matched as a whole
    text +=
        fmt::format("    \"list {}\") words=\"{}\" ;;\n", table.name, words(row_names(table.name)));
  }
  return text;
}

std::string flag_cases() {
  std::string text;
  for (const Verb& verb : all_verbs()) {
    std::vector<std::string> flags;
    for (const VerbFlag& flag : flags_of(verb)) {
      if (!flag.is_argument()) flags.push_back(flag.name);
    }
    text += fmt::format("      {}) words=\"{}\" ;;\n", verb.name, words(flags));
  }
  return text;
}

// bash treats `=` as a separate word: `--budget=ex` is three words.
constexpr const char* kScript =
    R"(# Completion of mop's verbs, flags, names and settings: written by `mop completion`.
_mop() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local verb=${{COMP_WORDS[1]}} words="" keys=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{} --help --version" -- "$current"))
    return
  fi
  if [ "$current" = "=" ]; then current=""; elif [ "$before" = "=" ]; then before=${{COMP_WORDS[COMP_CWORD-2]}}; fi
  case "$verb $before" in
{}{}  esac
  case "$current" in
    -*) case "$verb" in
{}    esac ;;
  esac
  [ -n "$words" ] || return
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$keys" ] && type compopt >/dev/null 2>&1; then compopt -o nospace; fi
}}
complete -o bashdefault -o default -F _mop mop
)";

}  // namespace

std::vector<std::string> completion_shells() { return {"bash", "zsh"}; }

std::string completion_script(const std::string& shell) {
  const std::vector<std::string> shells = completion_shells();
  if (std::ranges::find(shells, shell) == shells.end()) throw unknown_name("shell", shell, shells);
  const std::string script = fmt::format(kScript, words(names_of(all_verbs())), value_cases(),
                                         argument_cases(), flag_cases());
  if (shell == "bash") return script;
  return "autoload -U +X bashcompinit && bashcompinit\n" + script;
}

}  // namespace mop
