// report/svg.h -- a drawing as inline SVG, and texts of strangers as they may stand in HTML.
#pragma once
#include <string>
#include <string_view>

namespace mop {

/// A text in HTML or SVG, between tags and in attributes: <, >, &, quotes and apostrophes become
/// entities; control characters and marks that change the direction of writing are spelled out
/// (base/plain_text.h).
std::string escaped(std::string_view text);

/// A length in the drawing's units: one decimal, without a trailing zero. "12", "3.5"
std::string coordinate(double value);

enum class Anchor { kStart, kMiddle, kEnd };

/// Marks in the order in which they are drawn. Lengths are CSS pixels at the drawing's natural
/// size; y points down. A mark's look is its class in the page's style sheet. Texts are escaped.
class Svg {
 public:
  /// `name` is what a screen reader says of the whole drawing.
  Svg(double width, double height, std::string_view name);
  void line(double x1, double y1, double x2, double y2, std::string_view css);
  void rect(double x, double y, double width, double height, std::string_view css);
  void circle(double x, double y, double radius, std::string_view css, std::string_view title = "");
  /// `data` is the attribute d, as `SvgPath` makes it. Nothing is drawn for an empty one.
  void path(const std::string& data, std::string_view css);
  void text(double x, double y, std::string_view words, Anchor anchor = Anchor::kStart,
            std::string_view css = "");
  /// What follows up to `end` belongs together; `title` is shown where the pointer rests on it.
  void begin(std::string_view title);
  void end();
  /// The element. Every `begin` must have had its `end`.
  std::string str() const;

 private:
  double width_, height_;
  std::string name_, body_;
};

/// The attribute d of a path.
class SvgPath {
 public:
  /// The first point of a line, or the next one after a gap.
  void move(double x, double y);
  void line(double x, double y);
  void box(double x, double y, double width, double height);
  const std::string& str() const { return data_; }

 private:
  std::string data_;
};

}  // namespace mop
