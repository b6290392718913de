// text/jinja.h -- the part of Jinja that chat templates are written in; see docs/formats.md.
//
// Settings are those with which transformers reads chat templates: trim_blocks, lstrip_blocks, loop
// controls, `generation` blocks, raise_exception. Macros, inheritance, includes and the current
// date are refused or left out: a template with anything unknown is an error when it is read.
#pragma once
#include <memory>
#include <string>

#include "base/json.h"

namespace mop {

class JinjaTemplate {
 public:
  /// Throws Error(kBadInput) naming the line and what is not known there.
  explicit JinjaTemplate(const std::string& source);
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;

  /// `variables` is an object. Throws Error(kBadInput) with the template's own complaint, or what
  /// it cannot do with these values, and the line.
  std::string render(const Json& variables) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace mop
