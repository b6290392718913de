// report/page.cc
#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "report/svg.h"

namespace mop {
namespace {

// Okabe and Ito's palette, distinguishable with any kind of colour vision; in the dark theme its
// lighter half comes first. Classes of drawings: g grid, t axis, al axis label, k kept, x1-x4
// removed, gl and gh a removed layer or half; sN, fN, nN stroke, dot and name of colour N.
constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--ink:#1c1c1c;--soft:#5c5c5c;--rule:#e3e3e3;--axis:#8a8a8a;--k:#8fa9bd;--x:#d55e00;
--c0:#0072b2;--c1:#d55e00;--c2:#007a59;--c3:#a8527f;--c4:#9a6700;--c5:#2b8cc4;--c6:#1c1c1c;--panel:#f6f6f6}
@media (prefers-color-scheme:dark){:root{--bg:#141618;--ink:#e6e6e6;--soft:#a3a3a3;--rule:#303336;--axis:#7d7d7d;--k:#56708a;--x:#e88a3c;
--c0:#56b4e9;--c1:#e69f00;--c2:#2fc197;--c3:#e29ac4;--c4:#f0e442;--c5:#8fb8ff;--c6:#e6e6e6;--panel:#1e2124}}
@media print{:root{color-scheme:light;--bg:#fff;--ink:#000;--soft:#444;--rule:#ddd;--axis:#777;--k:#8fa9bd;--x:#d55e00;
--c0:#0072b2;--c1:#d55e00;--c2:#007a59;--c3:#a8527f;--c4:#9a6700;--c5:#2b8cc4;--c6:#000;--panel:#f6f6f6}
details:not([open]){display:none}figure,tr{break-inside:avoid}h2{break-after:avoid}main{max-width:none!important;padding:0!important}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:24px;line-height:1.25;margin:0;font-weight:600;overflow-wrap:anywhere}
h2{font-size:17px;margin:40px 0 4px;padding-top:12px;border-top:1px solid var(--rule);font-weight:600}
p{max-width:70ch;margin:4px 0 8px}.sub,.note,footer{color:var(--soft)}.note,footer{font-size:13px}
.warn{border-left:3px solid var(--x);padding-left:10px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:16px 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(358px,100%),1fr));gap:20px 28px;align-items:start}
figure{margin:8px 0 0;min-width:0}figcaption{font-weight:600;font-size:14px;margin-bottom:6px;overflow-wrap:anywhere}
figure svg{display:block;max-width:100%;height:auto;overflow:visible}
svg text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}svg .al{fill:var(--ink)}svg .hl{paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}
.g{stroke:var(--rule)}.t{stroke:var(--axis)}.l{fill:none;stroke-width:1.6;stroke-linejoin:round}.faint{stroke-width:1;opacity:.45}.w{stroke-width:1.6}
.k{fill:var(--k)}.x1,.x2,.x3,.x4{fill:var(--x)}.x1{opacity:.25}.x2{opacity:.5}.x3{opacity:.75}.gap{fill:var(--bg)}
.gl,.gh{stroke:var(--x);stroke-width:1.6}.gh{stroke-dasharray:3 2}svg .nx{fill:var(--x)}.r{fill:var(--bg);stroke-width:1.6}
details{margin-top:4px;font-size:13px}summary{color:var(--soft);cursor:pointer;width:max-content}
.scroll{overflow-x:auto;max-height:420px;overflow-y:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:3px 14px 3px 0;text-align:left;vertical-align:top}th{font-weight:600;border-bottom:1px solid var(--axis)}td{border-bottom:1px solid var(--rule)}
.n{text-align:right}pre{background:var(--panel);padding:10px 12px;font-size:12.5px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:4px}
.wide{grid-column:1/-1}footer{margin-top:40px;border-top:1px solid var(--rule);padding-top:8px}
)css";

constexpr int kColours = 7;

std::string colour_rules() {
  std::string rules;
  for (int i = 0; i < kColours; ++i) {
    rules += fmt::format(
        ".s{0}{{stroke:var(--c{0})}}.f{0}{{fill:var(--c{0})}}svg .n{0}{{fill:var(--c{0})}}", i);
  }
  return rules;
}

std::string html_facts(const std::vector<std::pair<std::string, std::string>>& lines) {
  if (lines.empty()) return "";
  std::string out = "<dl>";
  for (const auto& [name, value] : lines) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
  }
  return out + "</dl>\n";
}

std::string paragraph(const std::string& text, const char* css) {
  if (text.empty()) return "";
  return fmt::format("<p{}>{}</p>\n", css, escaped(text));
}

// Numbers such as "4,196", "-12.5%", "4.61 kB" and empty cells are right-aligned.
bool is_quantity(const std::string& cell) {
  constexpr std::array<std::string_view, 12> kUnits = {"",   " B",  " k", " kB", " M",  " MB",
                                                       " G", " GB", " T", " TB", " ms", " s"};
  const size_t end = std::min(cell.find_first_not_of("-+0123456789.,e%"), cell.size());
  return std::ranges::find(kUnits, std::string_view(cell).substr(end)) != kUnits.end();
}

// The table has a caption for screen readers.
std::string html_table(const Table& table, const std::string& caption) {
  std::vector<bool> numeric(table.head().size(), true);
  for (const auto& cells : table.rows()) {
    for (size_t i = 0; i < cells.size(); ++i) numeric[i] = numeric[i] && is_quantity(cells[i]);
  }
  const auto row = [&](const std::vector<std::string>& cells, const char* tag) {
    std::string out = "<tr>";
    for (size_t i = 0; i < cells.size(); ++i) {
      out += fmt::format("<{0}{1}>{2}</{0}>", tag, numeric[i] ? " class=\"n\"" : "",
                         escaped(cells[i]));
    }
    return out + "</tr>";
  };
  std::string out = fmt::format("<table><caption>{}</caption><thead>{}</thead><tbody>",
                                escaped(caption), row(table.head(), "th"));
  for (const auto& cells : table.rows()) out += row(cells, "td");
  return out + "</tbody></table>";
}

std::string html_figure(const ReportFigure& figure) {
  const std::string table = figure.table.empty()
                                ? ""
                                : fmt::format("<div class=\"scroll\" tabindex=\"0\">{}</div>",
                                              html_table(figure.table, figure.title));
  std::string out =
      fmt::format("<figure{}><figcaption>{}</figcaption>{}",
                  figure.svg.empty() ? " class=\"wide\"" : "", escaped(figure.title), figure.svg);
  out += paragraph(figure.note, " class=\"note\"");
  if (!table.empty()) {
    out += figure.svg.empty() ? table : "<details><summary>Table</summary>" + table + "</details>";
  }
  return out + "</figure>\n";
}

std::string html_section(const Section& section) {
  if (section.figures.empty() && section.text.empty() && section.listing.empty()) return "";
  std::string out = fmt::format("<section><h2>{}</h2>\n", escaped(section.title));
  out += paragraph(section.text, "");
  if (!section.figures.empty()) {
    out += "<div class=\"figures\">";
    for (const ReportFigure& figure : section.figures) out += html_figure(figure);
    out += "</div>\n";
  }
  if (!section.listing.empty()) out += "<pre>" + escaped(section.listing) + "</pre>\n";
  return out + "</section>\n";
}

}  // namespace

std::string svg_file(const std::vector<std::string>& drawings) {
  constexpr double kGap = 28;
  double x = 0, top = 0, bottom = 0, right = 0;
  std::string body;
  for (const std::string& drawing : drawings) {
    double width = 0, height = 0;
    if (std::sscanf(drawing.c_str(), "<svg viewBox=\"0 0 %lf %lf\"", &width, &height) != 2)
      continue;
    if (x > 1.5 * width) {  // the third drawing starts a new row
      x = 0;
      top = bottom + kGap;
    }
    body +=
        fmt::format("<svg x=\"{}\" y=\"{}\"{}", coordinate(x), coordinate(top), drawing.substr(4));
    bottom = std::max(bottom, top + height);
    right = std::max(right, x + width);
    x += width + kGap;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-8 -4 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"system-ui,sans-serif\">\n<style>{2}{3}</style>\n"
      "<rect x=\"-8\" y=\"-4\" width=\"{0}\" height=\"{1}\" fill=\"var(--bg)\"/>{4}</svg>\n",
      coordinate(right + 16), coordinate(bottom + 8), kStyle, colour_rules(), body);
}

std::string html_page(const Page& page) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}{}</style></head>\n<body><main>\n<h1>{}</h1>\n",
      escaped(page.title), kStyle, colour_rules(), escaped(page.title));
  out += paragraph(page.subtitle, " class=\"sub\"");
  for (const std::string& warning : page.warnings) out += paragraph(warning, " class=\"warn\"");
  out += html_facts(page.facts);
  for (const Section& section : page.sections) out += html_section(section);
  out += "<footer>" + escaped(page.footer);
  for (const auto& [name, value] : page.times) {
    out += fmt::format("<br><time>{}: {}</time>", escaped(name), escaped(value));
  }
  return out + "</footer>\n</main></body></html>\n";
}

}  // namespace mop
