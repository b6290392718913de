"""Loads a checkpoint with another program and compares its results with those of mop.

Started by `mop check` with a job file: {reader, model, adapter, code, code_before, dtype, ids, vocab, eos, new_tokens,
logits, facts, prompt, text_ids, pixels}, where `logits` is a file of float32, `code` whether to trust the folder's modelling
code (with `code_before`: only if this reader is older), `facts` settings as mop reads them, `prompt` the text of `text_ids` and
`pixels` null or, of the picture whose tokens are in `ids`, {file, shape}. Prints one line of JSON: {version, difference, greedy, tokens_per_second, causes, tokenizer}, or {version, error}, or {missing} when
the reader is not installed. `causes` are settings that differ in the reader, `tokenizer` a difference of its ids.
"""

import array
import importlib
import json
import math
import os
import sys
import time


def release(version):
    return tuple(int(part) for part in version.split(".")[:2])


def auto_class(job):
    """Returns transformers' auto class for the folder: for a language model or for a vision-language model."""
    import transformers

    with open(os.path.join(job["model"], "config.json")) as file:
        if "vision_config" not in json.load(file):
            return transformers.AutoModelForCausalLM
    return getattr(transformers, "AutoModelForImageTextToText", None) or transformers.AutoModelForVision2Seq


def load_transformers(job):
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    here = release(transformers.__version__)
    dtype = {"dtype" if here >= (4, 56) else "torch_dtype": getattr(torch, job["dtype"])}
    trust = job["code"] and (not job["code_before"] or here < release(job["code_before"]))
    model, info = auto_class(job).from_pretrained(
        job["model"], **dtype, output_loading_info=True, trust_remote_code=trust)
    problems = {kind: sorted(map(str, info[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
                if info[kind]}
    if problems:
        raise ValueError(f"tensors do not fit: {problems}")
    return model.eval()


def load_peft(job):
    import peft

    return peft.PeftModel.from_pretrained(load_transformers(job), job["adapter"]).eval()


def compare_modules(job, model):
    import torch

    ids = torch.tensor([job["ids"]])
    with open(job["logits"], "rb") as file:
        ours = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).view(len(job["ids"]), job["vocab"])
    images = {}
    if job.get("pixels"):
        with open(job["pixels"]["file"], "rb") as file:
            pixels = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).view(job["pixels"]["shape"])
        images["pixel_values"] = pixels.to(model.dtype)
    with torch.no_grad():
        theirs = model(ids, **images).logits[0].float()
        difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        start = time.perf_counter()
        greedy = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=plain_greedy(job, model),
                                **images)
        seconds = time.perf_counter() - start
    new = greedy[0, ids.shape[1]:].tolist()
    return {"difference": difference, "greedy": new, "tokens_per_second": len(new) / seconds,
            "causes": causes(job, model), "tokenizer": tokenizer_problem(job)}


def plain_greedy(job, model):
    """Greedy decoding, independent of generation_config.json: transformers takes settings that a call does not give
    (repetition_penalty, min_new_tokens, ...) from the model's file."""
    import transformers

    plain = transformers.GenerationConfig(max_new_tokens=job["new_tokens"], do_sample=False, num_beams=1,
                                          eos_token_id=job["eos"] or None, pad_token_id=0)
    for part in (model, getattr(model, "base_model", None)):
        if part is not None:
            part.generation_config = plain
    return plain


def settings_of(model):
    """Settings that affect the computation, as this reader interprets the config."""
    config = getattr(model.config, "text_config", model.config)
    rope = getattr(config, "rope_parameters", None) or {}
    if not rope:
        rope = {"rope_theta": getattr(config, "rope_theta", None), **(getattr(config, "rope_scaling", None) or {})}
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    settings = {"rope_type": rope.get("rope_type", rope.get("type", "default")), "rope_theta": rope.get("rope_theta"),
                "rope factor": rope.get("factor", 1.0), "sliding_window": getattr(config, "sliding_window", None),
                "rms_norm_eps": getattr(config, "rms_norm_eps", None), "dtype": str(model.dtype).removeprefix("torch."),
                "head tied to the embedding": head.weight.data_ptr() == embedding.weight.data_ptr()}
    return settings


def causes(job, model):
    try:
        theirs = settings_of(model)
    except AttributeError:  # classes that store them elsewhere
        return []
    return [f"its {name} is {theirs[name]}, mop reads {value}" for name, value in job.get("facts", {}).items()
            if name in theirs and theirs[name] != value]


def tokenizer_problem(job):
    """Checks that the reader's own tokenizer gives the compared ids for the prompt."""
    import transformers

    if not job.get("prompt"):
        return ""
    try:
        ids = transformers.AutoTokenizer.from_pretrained(job["model"], trust_remote_code=job["code"])(job["prompt"])["input_ids"]
    except Exception as error:  # any error is reported as a note
        return f"its tokenizer does not load: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    ours = job["text_ids"]
    return "" if ids == ours else f"its tokenizer gives {len(ids)} ids that are not mop's {len(ours)}"


def last_log_probabilities(job):
    """Log-probabilities of this program for the token after the prompt."""
    logits = array.array("f")
    with open(job["logits"], "rb") as file:
        logits.frombytes(file.read()[-4 * job["vocab"]:])
    largest = max(logits)
    total = math.log(sum(math.exp(x - largest) for x in logits)) + largest
    return [x - total for x in logits]


def compare_llama_cpp(job):
    """llama.cpp returns log-probabilities of generated tokens; those of the first one are compared."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = job["model"]
    params.n_ctx = len(job["ids"]) + job["new_tokens"] + 8
    params.n_gpu_layers = 0
    params.warmup = False
    params.verbosity = -1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    answer = server.handle_completions({"prompt": job["ids"], "n_predict": job["new_tokens"], "temperature": 0.0,
                                        "top_k": 1, "n_probs": job["vocab"], "cache_prompt": False,
                                        "return_tokens": True, "verbose": True})
    if "choices" not in answer:
        raise ValueError(str(answer)[:300])
    choice, ours = answer["choices"][0], last_log_probabilities(job)
    tokens = choice["logprobs"]["content"]
    # Probabilities below the range of float32 are ignored.
    theirs = {row["id"]: row["logprob"] for row in tokens[0]["top_logprobs"] if row["logprob"] > -80}
    difference = max(abs(ours[i] - value) for i, value in theirs.items()) / max(abs(v) for v in theirs.values())
    # Entries with probabilities omit bytes that are no complete character; the separate list of tokens has them.
    greedy = answer.get("__verbose", {}).get("tokens") or [row["id"] for row in tokens]
    if choice["finish_reason"] == "stop" and job["eos"] and greedy[-1] not in job["eos"]:
        greedy.append(job["eos"][0])  # llama.cpp does not return the stop token
    times = answer["timings"]  # of the prompt too, as for the other readers
    seconds = (times["prompt_ms"] + times["predicted_ms"]) / 1000
    return {"difference": difference, "greedy": greedy, "tokens_per_second": times["predicted_n"] / seconds}


def compare_vllm(job):
    """vLLM also returns log-probabilities; those of the first new token are compared."""
    from vllm import LLM, SamplingParams
    from vllm.distributed import cleanup_dist_env_and_memory

    lora = {}
    if job["adapter"]:
        with open(os.path.join(job["adapter"], "adapter_config.json")) as file:
            rank = json.load(file)["r"]
        lora = {"enable_lora": True, "max_lora_rank": next(r for r in (8, 16, 32, 64, 128, 256, 320, 512) if r >= rank)}
    model = LLM(job["model"], dtype=job["dtype"], enforce_eager=True, max_num_seqs=1, skip_tokenizer_init=True,
                trust_remote_code=job["code"] and not job["code_before"], generation_config="vllm", max_logprobs=-1,
                max_model_len=len(job["ids"]) + job["new_tokens"], disable_log_stats=True, **lora)
    request = {}
    if job["adapter"]:
        from vllm.lora.request import LoRARequest

        request = {"lora_request": LoRARequest("adapter", 1, job["adapter"])}
    greedy = SamplingParams(temperature=0, max_tokens=job["new_tokens"], logprobs=-1, stop_token_ids=job["eos"], detokenize=False)
    start = time.perf_counter()
    answer = model.generate({"prompt_token_ids": job["ids"]}, greedy, use_tqdm=False, **request)[0].outputs[0]
    seconds = time.perf_counter() - start
    del model  # an engine's process groups must be released before the next engine starts
    cleanup_dist_env_and_memory()
    ours = last_log_probabilities(job)
    theirs = {id: row.logprob for id, row in answer.logprobs[0].items() if row.logprob > -80}
    difference = max(abs(ours[id] - value) for id, value in theirs.items()) / max(abs(v) for v in theirs.values())
    return {"difference": difference, "greedy": list(answer.token_ids), "tokens_per_second": len(answer.token_ids) / seconds}


# The engine runs in this process, with the given number of threads and a small KV cache.
ENVIRONMENT = {"vllm": {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR",
                        "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}}
READERS = {
    "vllm": compare_vllm,
    "transformers": lambda job: compare_modules(job, load_transformers(job)),
    "peft": lambda job: compare_modules(job, load_peft(job)),
    "xllamacpp": compare_llama_cpp,
}


def run(job):
    reader = job["reader"]
    os.environ.update(ENVIRONMENT.get(reader, {}))
    try:
        version = importlib.import_module(reader).__version__
    except ModuleNotFoundError as error:
        return {"missing": str(error)}
    try:
        return {"version": version, **READERS[reader](job)}
    except Exception as error:  # any failure of a reader is reported in its row
        return {"version": version, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        answer = json.dumps(run(json.load(job_file)))
    print("\n" + answer)  # on a separate line, since the reader may have printed text before
