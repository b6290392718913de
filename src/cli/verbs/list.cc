// cli/verbs/list.cc -- mop list [TABLE [NAME]]: all names and settings
#include <fmt/format.h>

#include "base/error.h"
#include "cli/verb.h"
#include "recipe/catalog.h"
#include "report/table.h"

namespace mop {
namespace {

struct ListFlags {
  std::string table, name;
  bool markdown = false;
};

std::string lines_of(const Json& rows) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Json& row : rows) lines.emplace_back(row["name"], row["summary"]);
  return facts(lines);
}

Answer list_tables() {
  Json tables = Json::array();
  for (const CatalogTable& table : catalog_tables()) {
    tables.push_back({{"name", table.name}, {"summary", table.summary}});
  }
  return {{{"tables", tables}}, lines_of(tables)};
}

Answer list(const ListFlags& flags) {
  if (flags.markdown && !flags.table.empty()) {
    throw usage_error("--markdown shows all tables, not {} alone", flags.table);
  }
  if (flags.markdown) {
    const std::string text = reference_markdown();
    return {.json = {{"markdown", text}}, .text = text, .verbatim = true};
  }
  if (flags.table.empty()) return list_tables();
  if (flags.name.empty()) {
    const Json rows = catalog(flags.table);
    return {{{flags.table, rows}}, lines_of(rows)};
  }
  const Json rows = catalog(flags.table, flags.name);
  std::string text;
  for (const Json& row : rows) text += row_text(row);
  return {{{flags.table, rows}}, text};
}

}  // namespace

Verb list_verb() {
  return {"list", "what can be chosen by name, or set", [](CLI::App& app) {
            auto flags = std::make_shared<ListFlags>();
            app.add_option("TABLE", flags->table,
                           fmt::format("{}", fmt::join(catalog_names(), ", ")));
            app.add_option("NAME", flags->name, "a row: its source, its options and their ranges");
            app.add_flag("--markdown", flags->markdown, "all tables, as docs/reference.md");
            return [flags](Progress&) { return list(*flags); };
          }};
}

}  // namespace mop
