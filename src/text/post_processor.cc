// text/post_processor.cc
#include "text/post_processor.h"

#include <string>

#include "text/token_id.h"

namespace mop {
namespace {

using Ids = std::vector<int64_t>;

// Limit: a name may occur any number of times and stand for any number of tokens.
constexpr size_t kMostAround = 1024;

Ids ids_of_special(const PartJson& part, const std::string& name) {
  const auto table = part.find("special_tokens");
  if (table != part.end() && table->is_object() && table->contains(name)) {
    const PartJson& ids = (*table)[name].is_object() && (*table)[name].contains("ids")
                              ? (*table)[name]["ids"]
                              : PartJson::array();
    if (!ids.is_array()) throw bad_input("`ids` of '{}' is not a list", name);
    Ids checked;
    for (const PartJson& id : ids)
      checked.push_back(checked_token_id(whole_number(id, "an id"), name));
    return checked;
  }
  throw bad_input("the template names '{}', which its `special_tokens` do not explain", name);
}

// `single` is a list like [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}].
Surround read_template(const PartJson& part) {
  Surround made;
  bool seen_text = false;
  for (const PartJson& piece : part.value("single", PartJson::array())) {
    if (piece.contains("Sequence")) {
      if (seen_text) throw bad_input("the template repeats the text");
      seen_text = true;
    } else if (piece.contains("SpecialToken")) {
      const Ids ids =
          ids_of_special(part, part_field<std::string>(piece["SpecialToken"], "id", ""));
      Ids& side = seen_text ? made.after : made.before;
      side.insert(side.end(), ids.begin(), ids.end());
      if (side.size() > kMostAround)
        throw bad_input("the template puts more than {} tokens around a text", kMostAround);
    } else {
      throw bad_input("a template piece is neither `Sequence` nor `SpecialToken`");
    }
  }
  if (!seen_text) throw bad_input("the template does not contain the text");
  return made;
}

// RobertaProcessing and BertProcessing: `cls` before the text, `sep` after it, each [text, id].
Surround read_cls_sep(const PartJson& part) {
  const auto id = [&](const char* key) {
    const auto it = part.find(key);
    if (it == part.end() || !it->is_array() || it->size() != 2 || !(*it)[1].is_number_integer()) {
      throw bad_input("`{}` is not [token, id]", key);
    }
    return checked_token_id(whole_number((*it)[1], key), key);
  };
  return {{id("cls")}, {id("sep")}};
}

Surround read_nothing(const PartJson&) { return {}; }

Surround read_sequence(const PartJson& part) {
  Surround all;
  for (const Surround& one : make_components<Surround>(part, "processors", read_post_processor)) {
    all.before.insert(all.before.begin(), one.before.begin(), one.before.end());
    all.after.insert(all.after.end(), one.after.begin(), one.after.end());
  }
  return all;
}

constexpr Component<Surround> kPostProcessors[] = {
    {"TemplateProcessing", read_template}, {"ByteLevel", read_nothing},
    {"Sequence", read_sequence},           {"RobertaProcessing", read_cls_sep},
    {"BertProcessing", read_cls_sep},
};

}  // namespace

Surround read_post_processor(const PartJson& part) {
  if (part.is_null()) return {};
  return make_component<Surround>(kPostProcessors, part, "post-processor");
}

}  // namespace mop
