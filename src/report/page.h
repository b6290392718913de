// report/page.h -- one self-contained HTML file: sections of figures, each with its table.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "report/table.h"

namespace mop {

struct ReportFigure {
  std::string title;
  std::string svg = {};   ///< empty: the table stands alone, unfolded
  std::string note = {};  ///< what one should know to read it; may be empty
  Table table = Table({""});
};

struct Section {
  std::string title;
  std::string text = {};                   ///< a paragraph; may be empty
  std::vector<ReportFigure> figures = {};  ///< side by side where there is room
  std::string listing = {};                ///< preformatted, at the end; may be empty
};

struct Page {
  std::string title, subtitle;
  std::vector<std::pair<std::string, std::string>> facts;  ///< name and value
  std::vector<std::string> warnings;                       ///< a line each
  std::vector<Section> sections;  ///< those without figures, text and listing are left out
  std::string footer;
  /// Times that a run recorded: marked as such, so that reports of equal runs differ in nothing
  /// else.
  std::vector<std::pair<std::string, std::string>> times = {};
};

/// The document. No scripts, nothing is loaded. Dark where the reader's system is; prints on white.
/// All texts are escaped.
std::string html_page(const Page& page);

/// Drawings two abreast as one SVG file with the page's looks, for documents that take pictures.
/// `drawings` are what `Svg::str` gives; empty ones are left out.
std::string svg_file(const std::vector<std::string>& drawings);

}  // namespace mop
