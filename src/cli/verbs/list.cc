// cli/verbs/list.cc -- mop list TABLE: everything that can be chosen by name
#include <fmt/format.h>

#include "cli/verb.h"
#include "report/table.h"

namespace mop {

Verb list_verb() {
  return {"list", "what can be chosen by name", [](CLI::App& app) {
            auto name = std::make_shared<std::string>();
            app.add_option("TABLE", *name, fmt::format("{}", fmt::join(catalog_names(), ", ")))
                ->required();
            return [name](Progress&) {
              const Json rows = catalog(*name);
              std::vector<std::pair<std::string, std::string>> lines;
              for (const Json& row : rows) lines.emplace_back(row["name"], row["summary"]);
              return Answer{{{*name, rows}}, facts(lines)};
            };
          }};
}

}  // namespace mop
