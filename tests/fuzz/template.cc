// A chat template, rendered with a conversation.
#include "base/parse_json.h"
#include "fuzz/target.h"
#include "text/jinja.h"

using namespace mop;

MOP_FUZZ(bytes) {
  static const Json variables = parse_json(R"({"bos_token": "<s>", "eos_token": "</s>",
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "a <b> \u00e9"},
      {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f",
        "arguments": {"n": 1, "r": 0.5, "l": [1, null, true]}}}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "add_generation_prompt": true})");
  JinjaTemplate(bytes).render_with_marks(variables, {0, true});
}
