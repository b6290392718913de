// report/svg.cc
#include "report/svg.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/plain_text.h"

namespace mop {
namespace {

std::string attribute(std::string_view name, std::string_view value) {
  return value.empty() ? "" : fmt::format(" {}=\"{}\"", name, value);
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : plain_text(text)) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string coordinate(double value) {
  const double tenths = std::round(value * 10);
  const auto whole = static_cast<int64_t>(tenths);
  std::string text = whole % 10 == 0 ? fmt::format("{}", whole / 10)
                                     : fmt::format("{:.1f}", static_cast<double>(whole) / 10);
  return text == "-0" ? "0" : text;
}

Svg::Svg(double width, double height, std::string_view name)
    : width_(width), height_(height), name_(name) {}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css) {
  body_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>", coordinate(x1),
                       coordinate(y1), coordinate(x2), coordinate(y2), attribute("class", css));
}

void Svg::rect(double x, double y, double width, double height, std::string_view css) {
  body_ +=
      fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>", coordinate(x),
                  coordinate(y), coordinate(width), coordinate(height), attribute("class", css));
}

void Svg::circle(double x, double y, double radius, std::string_view css, std::string_view title) {
  body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}", coordinate(x), coordinate(y),
                       coordinate(radius), attribute("class", css));
  body_ += title.empty() ? "/>" : fmt::format("><title>{}</title></circle>", escaped(title));
}

void Svg::path(const std::string& data, std::string_view css) {
  if (data.empty()) return;
  body_ += fmt::format("<path d=\"{}\"{}/>", data, attribute("class", css));
}

void Svg::text(double x, double y, std::string_view words, Anchor anchor, std::string_view css) {
  constexpr std::array kAnchors = {"", "middle", "end"};
  body_ += fmt::format("<text x=\"{}\" y=\"{}\"{}{}>{}</text>", coordinate(x), coordinate(y),
                       attribute("text-anchor", kAnchors[static_cast<size_t>(anchor)]),
                       attribute("class", css), escaped(words));
}

void Svg::begin(std::string_view title) {
  body_ += "<g>";
  if (!title.empty()) body_ += fmt::format("<title>{}</title>", escaped(title));
}

void Svg::end() { body_ += "</g>"; }

std::string Svg::str() const {
  return fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"{2}\">{3}</svg>",
      coordinate(width_), coordinate(height_), escaped(name_), body_);
}

void SvgPath::move(double x, double y) { data_ += 'M' + coordinate(x) + ' ' + coordinate(y); }

void SvgPath::line(double x, double y) { data_ += 'L' + coordinate(x) + ' ' + coordinate(y); }

void SvgPath::box(double x, double y, double width, double height) {
  data_ += fmt::format("M{} {}h{}v{}h{}z", coordinate(x), coordinate(y), coordinate(width),
                       coordinate(height), coordinate(-width));
}

}  // namespace mop
