// report/model_card.cc
#include "report/model_card.h"

#include "base/read_values.h"
#include "report/table.h"

namespace mop {
namespace {

double removed(const ModelCard& card, const char* key) {
  const auto before = card.dense[key].get<double>(), after = card.pruned[key].get<double>();
  return before == 0 ? 0 : (before - after) / before;
}

std::string sizes(const ModelCard& card) {
  Table table({"", "dense", "pruned", "removed"});
  const auto row = [&](const char* name, const char* key) {
    table.add({name, with_commas(card.dense[key].get<int64_t>()),
               with_commas(card.pruned[key].get<int64_t>()), percent(removed(card, key))});
  };
  row("parameters", "parameters");
  row("of them in layers", "block_parameters");
  table.add({"shape", card.dense["shape"], card.pruned["shape"], ""});
  return "## Size\n\n" + table.markdown() + "\n";
}

std::string trained(const Json& recovery) {
  if (recovery.is_null()) return "It was not trained after pruning.";
  return fmt::format("It was trained after pruning: {} steps, {} tokens.", recovery["steps"].dump(),
                     with_commas(recovery["tokens"].get<int64_t>()));
}

std::string quality(const Json& figures) {
  if (!figures.is_object()) return "";
  const bool recovered = figures.contains("recovered");
  std::vector<const char*> columns = {"dense", "pruned"};
  for (const char* column : {"repaired", "sparse", "recovered"}) {
    if (figures.contains(column)) columns.push_back(column);
  }
  std::vector<std::string> head = {""}, perplexity = {"perplexity"},
                           kl = {"KL to the dense model, nats a token"};
  for (const char* column : columns) {
    const Json& of = part_of(figures, column);
    head.emplace_back(column);
    perplexity.push_back(fmt::format("{:.3f}", number_of(of, "perplexity")));
    kl.push_back(head.back() == "dense" ? "0" : fmt::format("{:.4f}", number_of(of, "kl")));
  }
  Table table(head);
  table.add(perplexity);
  table.add(kl);
  return (recovered ? "## Quality\n\n" : "## Quality, without recovery training\n\n") +
         table.markdown() +
         fmt::format("\nProtocol: {} ({} samples, {} tokens).\n\n", word_of(figures, "protocol"),
                     whole_of(figures, "samples"), with_commas(whole_of(figures, "tokens")));
}

std::string path(const Json& steps) {
  Table table({"step", "branch", "shape after", "parameters", "removed"});
  for (const Json& step : steps) {
    table.add({step["step"].dump(), step["branch"], step["shape"],
               with_commas(step["parameters"].get<int64_t>()),
               percent(step["removed_fraction"].get<double>())});
  }
  return "## What was removed\n\n" + table.markdown() +
         "\n`run/plan.json` lists every removed layer, head and neuron by its index in the base "
         "model.\n\n";
}

}  // namespace

std::string card_front_matter(const std::string& base_model, const std::vector<std::string>& tags) {
  const bool is_id = base_model.find('/') != std::string::npos;
  return "---\n" +
         to_yaml({{"base_model", is_id ? base_model.substr(0, base_model.find('@')) : base_model},
                  {"library_name", "transformers"},
                  {"pipeline_tag", "text-generation"},
                  {"tags", tags}}) +
         "---\n\n";
}

std::string model_card(const ModelCard& card) {
  std::string text = card_front_matter(card.base_model, {"pruned", "mop"});
  text += fmt::format(
      "# {0}, pruned by {1}\n\nThis is {0} with whole layers, attention heads and MLP neurons "
      "removed by {2} "
      "(method: arXiv 2602.06127). It loads like the base model. {3}\n\n",
      card.base_model, percent(removed(card, "parameters")), card.program, trained(card.recovery));
  if (const Json& weights = part_of(card.recipe, "weights"); weights.is_object()) {
    text += fmt::format(
        "Single weights of its projections are zero ({}, {}); files are not smaller "
        "for it.\n\n",
        word_of(weights, "method"),
        weights.contains("pattern") ? word_of(weights, "pattern")
                                    : percent(number_of(weights, "sparsity")));
  }
  text += sizes(card) + quality(card.figures) + path(card.steps);
  text +=
      "## Making it again\n\n```\nmop prune BASE_MODEL --plan run/plan.json --out DIR\n```\n\n"
      "gives the same checkpoint, byte for byte.";
  if (!card.recipe.is_null()) {
    text +=
        " The whole search is repeated by `mop prune --recipe run/recipe.yaml --out "
        "DIR`:\n\n```yaml\n" +
        to_yaml(card.recipe) + "```";
  }
  return text + "\n\n## Licence\n\n" + card.licence + "\n";
}

}  // namespace mop
