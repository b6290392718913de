// recipe/reference.cc -- the catalog as text: one row for a terminal, all tables as a document.
#include <fmt/ranges.h>

#include <cctype>

#include "base/option.h"
#include "recipe/catalog.h"
#include "report/table.h"

namespace mop {
namespace {

std::string joined(const Json& list) {
  return fmt::format("{}", fmt::join(list.get<std::vector<std::string>>(), ", "));
}

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>().empty() ? "none" : value;
  return value.is_array() && value.empty() ? "none" : value.dump();
}

std::string default_of(const Json& option) {
  return option["default"].is_null() ? option["unset"].get<std::string>()
                                     : value_text(option["default"]);
}

std::string range_of(const Json& option) {
  return option.contains("range") ? range_text(range_from_json(option["range"])) : "";
}

// Escapes a cell of a Markdown table.
std::string cell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != text.npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string row_of_options(const Json& row) {
  std::string text;
  for (const Json& option : row.value("options", Json::array())) {
    const std::string range = range_of(option);
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", option["key"].get<std::string>(),
                        option["type"].get<std::string>(), cell(default_of(option)), cell(range),
                        cell(option["help"]));
  }
  return text;
}

constexpr const char* kOptionsHead =
    "| setting | type | default | range | meaning |\n|---|---|---|---|---|\n";

// The rows of a table with name, summary, source and deviations.
std::string rows_markdown(const Json& rows) {
  std::string text = "| name | what it is | source | deviations |\n|---|---|---|---|\n";
  for (const Json& row : rows) {
    std::string name = fmt::format("`{}`", row["name"].get<std::string>());
    if (row.contains("letter")) name += fmt::format(" ({})", row["letter"].get<std::string>());
    text += fmt::format("| {} | {} | {} | {} |\n", name, cell(row["summary"]),
                        cell(row.value("source", "")),
                        row.contains("deviations") ? joined(row["deviations"]) : "");
  }
  return text;
}

std::string sections_markdown(const Json& rows) {
  std::string text;
  for (const Json& row : rows) {
    text += fmt::format("{}**{}**: {}\n\n{}{}", text.empty() ? "" : "\n",
                        row["name"].get<std::string>(), row["summary"].get<std::string>(),
                        kOptionsHead, row_of_options(row));
  }
  return text;
}

std::string table_markdown(const CatalogTable& table) {
  const Json rows = table.rows();
  std::string summary = table.summary;
  summary[0] = static_cast<char>(std::toupper(summary[0]));
  std::string text = fmt::format("\n## {}\n\n{}.\n\n", table.name, summary);
  if (table.name == "recipe" || table.name == "recovery") return text + sections_markdown(rows);
  text += rows_markdown(rows);
  std::string options;
  for (const Json& row : rows) options += row_of_options(row);
  return options.empty() ? text : text + "\n" + kOptionsHead + options;
}

}  // namespace

std::string setting_text(const Json& option) {
  const std::string range = range_of(option);
  const bool chosen = option.contains("range") && option["range"].contains("choices");
  return fmt::format("{}, default {}{}{}: {}", option["type"].get<std::string>(),
                     default_of(option),
                     range.empty() ? ""
                     : chosen      ? "; one of "
                                   : "; ",
                     range, option["help"].get<std::string>());
}

std::string row_text(const Json& row) {
  std::vector<std::pair<std::string, std::string>> lines = {{row["name"], row["summary"]}};
  for (const char* key : {"letter", "unit", "source"}) {
    if (row.contains(key)) lines.emplace_back(fmt::format("  {}", key), row[key]);
  }
  if (row.contains("deviations")) {
    lines.emplace_back("  deviations", joined(row["deviations"]) + " (docs/method.md)");
  }
  for (const Json& option : row.value("options", Json::array())) {
    lines.emplace_back("  " + option["key"].get<std::string>(), setting_text(option));
  }
  return facts(lines);
}

std::string reference_markdown() {
  std::string text =
      "# Reference\n\n"
      "All named choices and settings, as declared in the program. Written by `mop "
      "list --markdown`, and compared\nby a test: change the declaration, then run it again. "
      "Settings are set with `--set KEY=VALUE` or in recipes; `mop list TABLE NAME`\nshows one "
      "row, "
      "with `--json` all fields. Deviations (D1 ...) are in [method.md](method.md); `mop list "
      "keys` "
      "shows the keys of model files.\n";
  for (const CatalogTable& table : catalog_tables()) {
    if (table.name != "keys") text += table_markdown(table);
  }
  return text;
}

}  // namespace mop
