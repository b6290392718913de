#include "jobs/task_results.h"

#include "base/build_info.h"
#include "base/files.h"
#include "eval/tasks/python_text.h"

namespace mop {
namespace {

constexpr int kBootstrapDraws = 100000;

Json better_json(const std::string& metric) {
  const std::optional<bool> better = higher_is_better(metric);
  return better ? Json(*better) : Json(nullptr);
}

std::string output_type(TaskKind kind) {
  if (kind == TaskKind::kChoice) return "multiple_choice";
  return kind == TaskKind::kContinuation ? "loglikelihood" : "loglikelihood_rolling";
}

Json config_of(const TaskResult& result) {
  Json metrics = Json::array();
  for (const std::string& metric : result.task->metrics) {
    metrics.push_back({{"metric", metric}, {"higher_is_better", better_json(metric)}});
  }
  return {{"task", result.task->name},
          {"dataset_path", result.task->dataset},
          {"dataset_kwargs", {{"data_files", {{result.task->split, result.file.string()}}}}},
          {result.task->split + "_split", result.task->split},
          {"output_type", output_type(result.task->kind)},
          {"target_delimiter", " "},
          {"fewshot_delimiter", "\n\n"},
          {"num_fewshot", result.fewshot},
          {"metric_list", metrics},
          {"metadata", {{"version", result.task->version}}}};
}

int64_t num_parameters(const Model& model) {
  int64_t parameters = 0;
  for (const std::string& name : model.checkpoint().names()) {
    int64_t count = 1;
    for (const int64_t size : model.checkpoint().entry(name).shape) count *= size;
    parameters += count;
  }
  return parameters;
}

Json run_config(const TaskRunFacts& facts) {
  const Json limit = facts.limit > 0 ? Json(static_cast<double>(facts.limit)) : Json(nullptr);
  return {{"model", "mop"},
          {"model_args", "pretrained=" + facts.model},
          {"model_num_parameters", num_parameters(facts.source)},
          {"model_dtype", "torch." + dtype_name(facts.compute.dtype)},
          {"model_revision", "main"},
          {"model_sha", ""},
          {"batch_size", "auto"},
          {"batch_sizes", Json::array()},
          {"device", facts.compute.device.str()},
          {"use_cache", nullptr},
          {"limit", limit},
          {"bootstrap_iters", kBootstrapDraws},
          {"gen_kwargs", nullptr},
          {"random_seed", 0},
          {"numpy_seed", 1234},
          {"torch_seed", 1234},
          {"fewshot_seed", 1234}};
}

// Settings that the reference does not record but that results depend on.
Json own_stamp(const std::vector<TaskResult>& results, const TaskRunFacts& facts) {
  Json data = Json::object();
  for (const TaskResult& result : results) {
    data[result.task->name] = {
        {"file", result.file.string()},
        {"sha256", result.file_sha256},
        {"tokens_run", result.tokens.run},
        {"tokens_requested", result.tokens.asked},
        {"cut_requests", result.cut_requests},
        {"cut_tokens", result.cut_tokens},
        {"fewshot_from", result.fewshot > 0 ? Json(result.fewshot_source) : Json(nullptr)}};
  }
  return {{"version", mop_version()},
          {"commit", mop_commit()},
          {"libtorch", libtorch_version()},
          {"bos", bos_rule_name(facts.bos)},
          {"bos_rule", bos_in_words(facts.bos)},
          {"dtype", dtype_name(facts.compute.dtype)},
          {"tokenizer", facts.tokenizer.kind()},
          {"tokenizer_sha256", facts.tokenizer.fingerprint()},
          {"pictures_sha256",
           facts.pictures_sha256.empty() ? Json(nullptr) : Json(facts.pictures_sha256)},
          {"data", data}};
}

void add_tokenizer(Json& json, const TaskRunFacts& facts) {
  const auto token = [&](std::optional<int64_t> id) -> Json {
    if (!id) return {nullptr, "None"};
    return {facts.tokenizer.decode({*id}, /*skip_special=*/false), std::to_string(*id)};
  };
  json["tokenizer_pad_token"] = {nullptr, "None"};
  json["tokenizer_eos_token"] = token(facts.tokenizer.eos());
  json["tokenizer_bos_token"] = token(facts.tokenizer.bos());
  const auto eos = facts.tokenizer.eos();
  json["eot_token_id"] = eos ? Json(*eos) : Json(nullptr);
  json["max_length"] = facts.source.config().context;
}

// Returns Python's str() of a value.
std::string as_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

struct Hashes {
  std::string doc, prompt, target;
};

// As in the reference, the prompt's hash is that of the first request's first argument.
Hashes hashes_of(const Task& task, const TaskSample& sample) {
  const TextRequest& first = sample.item.requests.front();
  const std::string& prompt = task.kind == TaskKind::kRolling ? first.continuation : first.context;
  return {sha256(sample.item.doc.dump(2)), sha256(prompt), sha256(as_text(sample.item.target))};
}

std::string task_hash(const TaskResult& result) {
  Sha256 hash;
  for (const TaskSample& sample : result.samples) {
    const Hashes hashes = hashes_of(*result.task, sample);
    hash.add(hashes.doc);
    hash.add(hashes.prompt);
    hash.add(hashes.target);
  }
  return hash.hex();
}

}  // namespace

std::string sanitized_model_name(const std::string& model) {
  std::string name;
  for (const char c : model) {
    const bool bad = std::string_view("\"<>:/|\\?*[]").find(c) != std::string_view::npos;
    name += bad ? "__" : std::string(1, c);
  }
  return name;
}

Json task_figures_json(const TaskResult& result) {
  const auto samples = static_cast<int64_t>(result.samples.size());
  Json figures = {
      {"name", result.task->name}, {"alias", result.task->name}, {"sample_len", samples}};
  for (const std::string& metric : result.task->metrics) {
    const Figure& figure = result.figures.at(metric);
    figures[metric + ",none"] = figure.value;
    figures[metric + "_stderr,none"] = figure.stderr_ ? Json(*figure.stderr_) : Json("N/A");
  }
  return figures;
}

Json task_results_json(const std::vector<TaskResult>& results, const TaskRunFacts& facts) {
  Json json = {{"results", Json::object()}, {"group_subtasks", Json::object()}};
  for (const TaskResult& result : results) {
    const std::string& name = result.task->name;
    json["results"][name] = task_figures_json(result);
    json["group_subtasks"][name] = Json::array();
    json["configs"][name] = config_of(result);
    json["versions"][name] = result.task->version;
    json["n-shot"][name] = result.fewshot;
    for (const std::string& metric : result.task->metrics) {
      json["higher_is_better"][name][metric] = better_json(metric);
    }
    json["n-samples"][name] = {{"original", result.records}, {"effective", result.samples.size()}};
  }
  json["config"] = run_config(facts);
  json["git_hash"] = mop_commit();
  json["date"] = facts.start;
  json["pretty_env_info"] = fmt::format("mop {}, LibTorch {}", mop_version(), libtorch_version());
  json["transformers_version"] = "N/A";
  json["lm_eval_version"] = "N/A";
  json["upper_git_hash"] = nullptr;
  add_tokenizer(json, facts);
  for (const TaskResult& result : results) {
    json["task_hashes"][result.task->name] = task_hash(result);
  }
  json["model_source"] = "mop";
  json["model_name"] = facts.model;
  json["model_name_sanitized"] = sanitized_model_name(facts.model);
  for (const char* key :
       {"system_instruction", "system_instruction_sha", "fewshot_as_multiturn", "chat_template"}) {
    json[key] = nullptr;
  }
  const std::string& chat = facts.chat_template_sha256;
  json["chat_template_sha"] = chat.empty() ? Json(nullptr) : Json(chat);
  json["start_time"] = facts.start;
  json["end_time"] = facts.end;
  json["total_evaluation_time_seconds"] = fmt::format("{}", facts.end - facts.start);
  json["mop"] = own_stamp(results, facts);
  return json;
}

Json task_sample_json(const Task& task, const TaskSample& sample, int64_t index) {
  Json arguments = Json::object(), replies = Json::array(), first_replies = Json::array();
  for (size_t r = 0; r < sample.item.requests.size(); ++r) {
    const TextRequest& request = sample.item.requests[r];
    const LogLikelihood& answer = sample.answers[r];
    const std::string sum = fmt::format("{}", answer.sum);
    Json reply = sum;
    Json argument = {{"arg_0", request.continuation}};
    if (task.kind != TaskKind::kRolling) {
      reply = {sum, answer.greedy ? "True" : "False"};
      argument = {{"arg_0", request.context}, {"arg_1", request.continuation}};
    }
    arguments[fmt::format("gen_args_{}", r)] = argument;
    first_replies.push_back(reply);
    replies.push_back(Json::array({reply}));
  }
  const Hashes hashes = hashes_of(task, sample);
  Json json = {{"doc_id", index},
               {"doc", sample.item.doc},
               {"target", as_text(sample.item.target)},
               {"arguments", arguments},
               {"resps", replies},
               {"filtered_resps", first_replies},
               {"filter", "none"},
               {"metrics", task.metrics},
               {"doc_hash", hashes.doc},
               {"prompt_hash", hashes.prompt},
               {"target_hash", hashes.target}};
  for (size_t m = 0; m < task.metrics.size(); ++m) {
    const MetricValue& value = sample.values[m];
    json[task.metrics[m]] = task.kind == TaskKind::kRolling
                                ? Json::array({value.value, static_cast<int64_t>(value.weight)})
                                : Json(value.value);
  }
  return json;
}

}  // namespace mop
