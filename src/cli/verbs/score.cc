// cli/verbs/score.cc -- mop score MODEL --criterion A,B --calibration FILE --out SCORES.safetensors
#include "base/error.h"
#include "cli/verb.h"
#include "report/table.h"

namespace mop {
namespace {

struct ScoreFlags {
  ScoreJob job;
  std::string sample = "first";
  int64_t seed = 0;
};

Answer run(ScoreFlags& flags, Progress& progress) {
  if (flags.sample != "first" && flags.sample != "random") {
    throw usage_error("unknown --sample '{}'", flags.sample).hint("known: first, random");
  }
  flags.job.samples.random = flags.sample == "random";
  flags.job.samples.seed = static_cast<uint64_t>(flags.seed);
  return as_rank(progress, [&](Progress& listener, Collectives& ranks) -> Answer {
    flags.job.compute.ranks = &ranks;
    const Json result = score(flags.job, listener);
    return {result, facts({{"samples", with_commas(result["samples"].get<int64_t>())},
                           {"tokens", with_commas(result["tokens"].get<int64_t>())},
                           {"layers", result["layers"].dump()},
                           {"wrote", result["out"]}})};
  });
}

}  // namespace

Verb score_verb() {
  return {"score", "importance scores of every head and neuron", [](CLI::App& app) {
            auto flags = std::make_shared<ScoreFlags>();
            ScoreJob& job = flags->job;
            app.add_option("MODEL", job.model, "folder of a checkpoint")->required();
            app.add_option("--criterion", job.criteria, "see `mop list criteria`")
                ->required()
                ->delimiter(',')
                ->allow_extra_args(false);
            app.add_option(
                "--images", job.images,
                "folder of the samples' pictures (default: that of the file), for LLaVA");
            app.add_option("--calibration", job.calibration,
                           "text to measure on (default: built-in, the program's own)");
            app.add_option("--out", job.out, "safetensors file for the scores")->required();
            app.add_option("--samples", job.samples.samples, "number of samples (default 128)");
            app.add_option("--sample", flags->sample, "first (default) or random");
            app.add_option("--max-tokens", job.samples.max_tokens,
                           "cut samples (default: the context)");
            app.add_option("--seed", flags->seed, "seed for --sample random (default 0)");
            add_compute_flags(app, job.compute);
            return [flags](Progress& progress) { return run(*flags, progress); };
          }};
}

}  // namespace mop
