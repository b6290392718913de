// report/svg.h -- drawings as inline SVG, and escaping of untrusted texts for HTML.
#pragma once
#include <string>
#include <string_view>

namespace mop {

/// Escapes a text for HTML or SVG, between tags and in attributes: <, >, &, quotes and apostrophes
/// become entities; control characters and bidirectional marks are spelled out (base/plain_text.h).
std::string escaped(std::string_view text);

/// Formats a length in the drawing's units: one decimal, without a trailing zero. "12", "3.5"
std::string coordinate(double value);

enum class Anchor { kStart, kMiddle, kEnd };

/// Elements in drawing order. Lengths are CSS pixels at the natural size; y points down. An
/// element's style is its class in the page's style sheet. Texts are escaped.
class Svg {
 public:
  /// `name`: accessible name of the drawing, for screen readers.
  Svg(double width, double height, std::string_view name);
  void line(double x1, double y1, double x2, double y2, std::string_view css);
  void rect(double x, double y, double width, double height, std::string_view css);
  void circle(double x, double y, double radius, std::string_view css, std::string_view title = "");
  /// `data`: the attribute d, made by `SvgPath`. An empty one draws nothing.
  void path(const std::string& data, std::string_view css);
  void text(double x, double y, std::string_view words, Anchor anchor = Anchor::kStart,
            std::string_view css = "");
  /// Begins a group that extends to `end`; `title` is its tooltip.
  void begin(std::string_view title);
  void end();
  /// Returns the element. Every `begin` must have had its `end`.
  std::string str() const;

 private:
  double width_, height_;
  std::string name_, body_;
};

/// The attribute d of a path.
class SvgPath {
 public:
  /// Starts a line, or continues it after a gap.
  void move(double x, double y);
  void line(double x, double y);
  void box(double x, double y, double width, double height);
  const std::string& str() const { return data_; }

 private:
  std::string data_;
};

}  // namespace mop
