// pipeline/named_method.cc
#include "pipeline/named_method.h"

namespace mop {
namespace {

bool has(const Json& recipe, const char* section, const char* key) {
  return recipe.contains(section) && recipe[section].is_object() && recipe[section].contains(key);
}

}  // namespace

Json named_method(Json recipe) {
  for (const char* key : {"select", "branches", "plan"}) {
    if (recipe.contains(key)) return recipe;
  }
  const bool width = has(recipe, "width", "criterion"), depth = has(recipe, "depth", "rule");
  if (width == depth) return recipe;
  recipe["branches"] = {width ? "width" : "depth"};
  recipe["select"] = width ? "path:G" : "path:L";
  if (width && has(recipe, "target", "remove")) recipe["target"].emplace("rounds", 1);
  return recipe;
}

}  // namespace mop
