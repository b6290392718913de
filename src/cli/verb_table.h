// cli/verb_table.h -- the table of verbs, and their flags as data for help, shell completion and
// the manual page.
#pragma once
#include <string>
#include <vector>

#include "cli/verb.h"

namespace mop {

/// In the order of the help, grouped by task.
const std::vector<Verb>& all_verbs();

/// Flags of every verb.
struct CommonFlags {
  bool json = false;
  std::string out;
  bool force = false;  ///< replace files that --out and --report name
};
/// Declares the verb's arguments and the common flags in `app`. `common` must outlive `app`.
/// Returns the function to run after parsing.
std::function<Answer(Progress&)> declare(CLI::App& app, const Verb& verb, CommonFlags& common);

/// A flag ("--budget") or a positional argument ("MODEL").
struct VerbFlag {
  std::string name;
  std::string type;  ///< "TEXT", "FILE"; empty: a flag without a value
  std::string help;
  std::vector<std::string> values;  ///< valid values; empty = not listed
  bool is_argument() const { return !name.starts_with("-"); }
};
/// Returns arguments, then flags, in the order of the verb's help.
std::vector<VerbFlag> flags_of(const Verb& verb);

}  // namespace mop
