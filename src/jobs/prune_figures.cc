// jobs/prune_figures.cc
#include "jobs/prune_figures.h"

#include <cmath>

namespace mop {
namespace {

constexpr const char* kProtocol =
    "every validation sample is a document with the tokenizer's own special tokens, its first "
    "token given; "
    "exp(total nll / scored tokens)";

}  // namespace

Json validation_json(const Validation& figures) {
  return {{"perplexity", std::exp(figures.nll)},
          {"nll", figures.nll},
          {"kl", figures.kl},
          {"cosine", figures.cosine}};
}

Json figures_json(const PreparedRun& run, const Json& dense, const Json& pruned) {
  if (dense.is_null()) return nullptr;
  return {{"protocol", kProtocol},
          {"source", run.samples.validation_source},
          {"samples", run.samples.validation.ids.size()},
          {"tokens", run.samples.validation.tokens()},
          {"dtype", dtype_name(run.compute.dtype)},
          {"dense", dense},
          {"pruned", pruned}};
}

}  // namespace mop
