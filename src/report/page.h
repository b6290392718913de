// report/page.h -- a self-contained HTML file: sections of figures, each with its table.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "report/table.h"

namespace mop {

struct ReportFigure {
  std::string title;
  std::string svg = {};   ///< empty = only the table, expanded
  std::string note = {};  ///< explanation; may be empty
  Table table = Table({""});
};

struct Section {
  std::string title;
  std::string text = {};                   ///< a paragraph; may be empty
  std::vector<ReportFigure> figures = {};  ///< side by side if the width allows
  std::string listing = {};                ///< preformatted, at the end; may be empty
};

struct Page {
  std::string title, subtitle;
  std::vector<std::pair<std::string, std::string>> facts;  ///< name and value
  std::vector<std::string> warnings;                       ///< one line each
  std::vector<Section> sections;                           ///< empty sections are omitted
  std::string footer;
  /// Times recorded by a run; marked, so that reports of equal runs differ only in them.
  std::vector<std::pair<std::string, std::string>> times = {};
};

/// Returns the document. It has no scripts and loads nothing. Uses a dark theme if the system does;
/// prints on white. All texts are escaped.
std::string html_page(const Page& page);

/// Returns drawings, two per row, as one SVG file in the page's style. `drawings` are results of
/// `Svg::str`; empty ones are omitted.
std::string svg_file(const std::vector<std::string>& drawings);

}  // namespace mop
