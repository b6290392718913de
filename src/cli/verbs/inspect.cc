// cli/verbs/inspect.cc -- mop inspect MODEL
#include <algorithm>

#include "cli/verb.h"
#include "report/table.h"
#include "run/describe.h"
#include "run/device_needs.h"

namespace mop {
namespace {

// Returns "210 q4_1, 61 f32", most frequent first.
std::string types_text(const Json& types) {
  std::vector<std::pair<int64_t, std::string>> counts;
  for (const auto& [type, count] : types.items()) counts.emplace_back(-count.get<int64_t>(), type);
  std::ranges::sort(counts);
  std::string text;
  for (const auto& [count, type] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", -count, type);
  }
  return text;
}

// Returns "llama, the language model of a llava-1.5".
std::string family_text(const Json& about) {
  const auto family = about["family"].get<std::string>();
  if (!about.contains("composite")) return family;
  return fmt::format("{}, the language model of a {}", family,
                     about["composite"]["name"].get<std::string>());
}

// "3 of 4 are computed: 4 heads, MLP 256; a head is 37,248 parameters, a neuron 193".
std::string tower_units_text(const Json& tower) {
  const auto number = [&](const char* key) { return with_commas(tower[key].get<int64_t>()); };
  const auto computed = std::ssize(tower["layers"]);
  return fmt::format("{} of {} are computed: {}; a head is {} parameters, a neuron {}", computed,
                     computed + tower["idle_layers"].get<int64_t>(),
                     tower_text(layers_from_json(tower["layers"])), number("head_parameters"),
                     number("neuron_parameters"));
}

// Adds the parts besides the language model and the cost of a picture.
void add_parts(const Json& about, std::vector<std::pair<std::string, std::string>>& lines) {
  if (!about.contains("composite")) return;
  const Json& whole = about["composite"];
  for (const Json& part : whole["parts"]) {
    const bool may_be_cut = &part == &whole["parts"].front() && !whole["tower"].is_null();
    lines.emplace_back(
        fmt::format("  {}", part["name"].get<std::string>()),
        with_commas(part["parameters"].get<int64_t>()) +
            (may_be_cut ? ", kept unless branch vision cuts it" : ", kept as it is"));
    if (may_be_cut) lines.emplace_back("    its layers", tower_units_text(whole["tower"]));
  }
  lines.emplace_back(
      "a picture", with_commas(whole["tokens_of_image"].get<int64_t>()) + " tokens of the prompt");
}

std::string inspect_text(const Json& about) {
  const auto number = [&](const char* key) { return with_commas(about[key].get<int64_t>()); };
  std::vector<std::pair<std::string, std::string>> lines = {
      {"family", family_text(about)},
      {"shape", about["shape"]},
      {"parameters", number("parameters")},
      {"  in layers", number("block_parameters")}};
  add_parts(about, lines);
  lines.insert(
      lines.end(),
      {{"stored", fmt::format("{}, {}", short_bytes(about["bytes"].get<int64_t>()),
                              about["dtype"].get<std::string>())},
       {"tensors", types_text(about["tensor_types"])},
       {"KV cache", short_bytes(about["kv_cache_bytes_per_token"].get<int64_t>()) + " a token"},
       {"hidden size", number("hidden")},
       {"vocabulary", number("vocab")},
       {"context", number("context") + " tokens"}});
  for (const auto& [name, line] : unit_lines(about["units"])) lines.emplace_back(name, line);
  for (const auto& line : device_memory_lines(about["device_memory"])) lines.push_back(line);
  std::string text = facts(lines);
  for (const Json& warning : about["warnings"])
    text += "note: " + warning.get<std::string>() + "\n";
  return text;
}

}  // namespace

Verb inspect_verb() {
  return {"inspect", "validate and describe a checkpoint", [](CLI::App& app) {
            auto model = std::make_shared<std::string>();
            app.add_option("MODEL", *model, "folder of a checkpoint")->required();
            return [model](Progress&) {
              const Json about = inspect(*model);
              return Answer{about, inspect_text(about)};
            };
          }};
}

}  // namespace mop
