// cli/verb_table.h -- all verbs in one table, and their flags as data: for help, shell completion
// and the manual page.
#pragma once
#include <string>
#include <vector>

#include "cli/verb.h"

namespace mop {

/// In the order of the help: verbs of one task stand together.
const std::vector<Verb>& all_verbs();

/// What every verb has beside its own arguments.
struct CommonFlags {
  bool json = false;
  std::string out;
};
/// Declares the verb's arguments and the common ones in `app`, which lives as long as `common`.
/// Returns what runs once they are parsed.
std::function<Answer(Progress&)> declare(CLI::App& app, const Verb& verb, CommonFlags& common);

/// A flag ("--budget") or an argument without one ("MODEL").
struct VerbFlag {
  std::string name;
  std::string type;  ///< "TEXT", "FILE"; empty: takes no value
  std::string help;
  std::vector<std::string> values;  ///< that it may have; empty = they are not listed
  bool is_argument() const { return !name.starts_with("-"); }
};
/// Arguments first, then flags, in the order of the verb's help.
std::vector<VerbFlag> flags_of(const Verb& verb);

}  // namespace mop
