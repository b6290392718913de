// cli/manual.cc -- mop(1), from the declarations of verbs, flags and settings.
#include <fmt/format.h>

#include "base/build_info.h"
#include "cli/completion.h"
#include "cli/verb_table.h"
#include "recipe/catalog.h"

namespace mop {
namespace {

// Escapes troff requests and escapes.
std::string plain(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\\') {
      safe += "\\e";
    } else if (c == '-') {
      safe += "\\-";
    } else {
      safe += c;
    }
  }
  return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

std::string item(const std::string& term, const std::string& text) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}\n", plain(term), plain(text));
}

std::string verbs() {
  std::string text, task;
  for (const Verb& verb : all_verbs()) {
    if (verb.task != task) text += fmt::format(".SS {}\n", plain(verb.task));
    task = verb.task;
    text += item(verb.name, verb.summary);
    text += fmt::format(".RS\n.PP\n.EX\n{}\n.EE\n.RE\n", plain(verb.example));
  }
  return text;
}

std::string flags() {
  std::string text;
  for (const Verb& verb : all_verbs()) {
    text += fmt::format(".SS mop {}\n", plain(verb.name));
    for (const VerbFlag& flag : flags_of(verb)) {
      text += item(flag.name + (flag.type.empty() || flag.is_argument() ? "" : " " + flag.type),
                   flag.help);
    }
  }
  return text;
}

std::string settings() {
  std::string text;
  for (const char* table : {"recipe", "branches", "criteria", "repairs", "weights", "recovery"}) {
    text += fmt::format(".SS {}\n", table);
    for (const Json& row : catalog(table)) {
      for (const Json& option : row.value("options", Json::array())) {
        text += item(option["key"], setting_text(option));
      }
    }
  }
  return text;
}

std::string tables() {
  std::string text;
  for (const CatalogTable& table : catalog_tables()) text += item(table.name, table.summary);
  return text;
}

}  // namespace

std::string manual_page() {
  return fmt::format(
      ".TH MOP 1 \"\" \"mop {}\" \"User Commands\"\n"
      ".SH NAME\nmop \\- make language models smaller by removing whole layers, heads and neurons\n"
      ".SH SYNOPSIS\n.B mop\n.I VERB\n.RI [ ARGUMENTS ]\n"
      ".SH DESCRIPTION\n"
      "MODEL is a folder of a checkpoint, a .gguf file where a verb says so, or the id of a model "
      "on "
      "the hub.\n"
      "Flags that are settings override those of a recipe; \\fB\\-\\-set\\fR reaches every one.\n"
      ".SH VERBS\n{}.SH FLAGS\n{}.SH SETTINGS\nOf recipes and \\fB\\-\\-set\\fR.\n{}"
      ".SH TABLES\nWhat \\fBmop list\\fR shows.\n{}"
      ".SH EXIT STATUS\n"
      "0: done. 1: failed, or a check found a difference. 2: wrong usage. 128 + signal: "
      "interrupted.\n",
      plain(mop_version()), verbs(), flags(), settings(), tables());
}

}  // namespace mop
