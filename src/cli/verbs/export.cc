// cli/verbs/export.cc -- mop export MODEL --format NAME --out PATH
#include "cli/verb.h"
#include "jobs/export_model.h"
#include "report/table.h"

namespace mop {
namespace {

std::string export_text(const Json& result) {
  std::string text =
      facts({{"wrote", result["out"]},
             {"size", short_bytes(result["bytes"].get<int64_t>())},
             {"read back", fmt::format("logits differ by {:.1e} at most, relative to the largest",
                                       result["logits_difference"].get<double>())}});
  for (const Json& note : result["notes"]) text += "note: " + note.get<std::string>() + "\n";
  return text;
}

}  // namespace

Verb export_verb() {
  return {
      "export", "write a model in another format and read it back", [](CLI::App& app) {
        auto job = std::make_shared<ExportJob>();
        app.add_option("MODEL", job->model, "folder of a checkpoint, or a .gguf file")->required();
        app.add_option("--format", job->format, "see `mop list formats`")->required();
        app.add_option("--out", job->out, "the new file, or folder")->required();
        app.add_option("--dtype", job->dtype, "gguf: f32, f16, bf16 or q8_0 (default: as stored)")
            ->type_name("NAME");
        app.add_option("--adapter", job->adapter, "merge this PEFT adapter first");
        app.add_flag("--force", job->force, "replace an existing file");
        add_threads_flag(app);
        return [job](Progress& progress) {
          const Json result = export_model(*job, progress);
          return Answer{result, export_text(result)};
        };
      }};
}

}  // namespace mop
