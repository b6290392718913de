#!/usr/bin/env python3
"""Reimplements the authors' released scripts from the description in docs/method.md, to time them.

Every iteration loads the checkpoint of the one before, prunes it and writes the next. A depth step deletes
the third layer from the end. A width step measures heads and neurons in two separate passes over two
separate random samples, one prompt at a time: each prompt goes through a text-generation pipeline that
samples one new token, with hooks on o_proj or down_proj. The lowest of every layer are deleted. The budget
is the released one for grouped queries, without its carry-over file: the fraction of a group still owed is
kept in memory, which only makes this faster. `--bare-forward` calls the model itself in place of the
pipeline: the same method without the pipeline's own cost.

Prints one JSON object: seconds of the whole run and of what it spent loading, measuring and writing.
"""
import argparse
import json
import random
import time

STARTED = time.perf_counter()

import torch  # noqa: E402  (the import is part of what a user waits for; it is reported apart)
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline  # noqa: E402
from transformers.utils import logging  # noqa: E402

IMPORTED = time.perf_counter()


class Clock:
    """Sums the seconds of each kind of work."""

    def __init__(self):
        self.seconds = {}

    def run(self, kind, work, *args):
        start = time.perf_counter()
        result = work(*args)
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - start
        return result


def head_pass(run, model, prompts):
    """Returns the mean over prompts of the mean over tokens of |W_o[:, head] x_head|_1, per layer [heads]."""
    config = model.config
    sums = [torch.zeros(config.num_attention_heads) for _ in model.model.layers]

    def hook_of(layer, index):
        def hook(module, inputs):
            heads_THE = inputs[0][0].float().view(-1, config.num_attention_heads, config.head_dim)
            weight_DHE = module.weight.float().view(-1, config.num_attention_heads, config.head_dim)
            out_THD = torch.einsum("the,dhe->thd", heads_THE, weight_DHE)
            sums[index].add_(out_THD.abs().sum(-1).mean(0))

        return layer.self_attn.o_proj.register_forward_pre_hook(hook)

    return run_hooked(run, model, prompts, hook_of, sums)


def neuron_pass(run, model, prompts):
    """Returns the mean over prompts of the mean over tokens of |x_j| entering down_proj, per layer [neurons]."""
    sums = [torch.zeros(model.config.intermediate_size) for _ in model.model.layers]

    def hook_of(layer, index):
        def hook(module, inputs):
            sums[index].add_(inputs[0][0].float().abs().mean(0))

        return layer.mlp.down_proj.register_forward_pre_hook(hook)

    return run_hooked(run, model, prompts, hook_of, sums)


@torch.no_grad()
def run_hooked(run, model, prompts, hook_of, sums):
    hooks = [hook_of(layer, i) for i, layer in enumerate(model.model.layers)]
    for prompt in prompts:
        run(prompt)
    for hook in hooks:
        hook.remove()
    return [s / len(prompts) for s in sums]


def keep_rows(linear, kept):
    linear.weight = torch.nn.Parameter(linear.weight.data[kept].clone(), requires_grad=False)
    linear.out_features = len(kept)


def keep_columns(linear, kept):
    linear.weight = torch.nn.Parameter(linear.weight.data[:, kept].clone(), requires_grad=False)
    linear.in_features = len(kept)


def delete_layer(model):
    """Deletes the third layer from the end of the current model."""
    del model.model.layers[len(model.model.layers) - 3]
    for index, layer in enumerate(model.model.layers):
        layer.self_attn.layer_idx = index
    model.config.num_hidden_layers = len(model.model.layers)
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[: len(model.model.layers)]


def delete_group(model, scores):
    """Deletes the lowest KV group of every layer, with its query heads."""
    config = model.config
    group = config.num_attention_heads // config.num_key_value_heads
    for layer, score in zip(model.model.layers, scores):
        lowest = int(score.view(-1, group).mean(1).argmin())
        kv = [g for g in range(config.num_key_value_heads) if g != lowest]
        kv_rows = rows_of_heads(kv, config.head_dim)
        query_rows = rows_of_heads([g * group + i for g in kv for i in range(group)], config.head_dim)
        keep_rows(layer.self_attn.q_proj, query_rows)
        keep_rows(layer.self_attn.k_proj, kv_rows)
        keep_rows(layer.self_attn.v_proj, kv_rows)
        keep_columns(layer.self_attn.o_proj, query_rows)
    config.num_attention_heads -= group
    config.num_key_value_heads -= 1


def rows_of_heads(heads, size):
    return torch.tensor([h * size + e for h in heads for e in range(size)])


def delete_neurons(model, scores, count):
    for layer, score in zip(model.model.layers, scores):
        kept = score.argsort(descending=True, stable=True)[: len(score) - count].sort().values
        keep_rows(layer.mlp.gate_proj, kept)
        keep_rows(layer.mlp.up_proj, kept)
        keep_columns(layer.mlp.down_proj, kept)
    model.config.intermediate_size -= count


def released_counts(config, owed):
    """Returns (groups, neurons, owed) of one width step by the released rule for grouped queries."""
    hidden, size, layers = config.hidden_size, config.head_dim, config.num_hidden_layers
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    attention = hidden * size * (2 * heads + 2 * groups)
    mlp = 3 * hidden * config.intermediate_size
    worth = attention + mlp + 2 * hidden
    group_cost = (2 * (heads // groups) * size + 2 * size) * hidden
    owed += worth * attention / (attention + mlp) / (group_cost * layers)
    taken = 1 if owed >= 1 and groups > 2 else 0
    neurons = round((worth - taken * group_cost * layers) / (layers * 3 * hidden))
    return taken, neurons, owed - taken


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


class Runner:
    """Runs one prompt through the model."""

    def __init__(self, model, tokenizer, bare_forward):
        self.model, self.tokenizer = model, tokenizer
        self.context = model.config.max_position_embeddings
        self.generator = None if bare_forward else pipeline("text-generation", model=model, tokenizer=tokenizer)

    def __call__(self, prompt):
        if self.generator is None:
            self.model(self.tokenizer(prompt, return_tensors="pt").input_ids[:, : self.context])
        else:
            self.generator(prompt, max_new_tokens=1, do_sample=True, temperature=0.7, top_p=0.9,
                           pad_token_id=self.tokenizer.eos_token_id, truncation=True, max_length=None)


def prune(args, clock):
    rng = random.Random(args.seed)
    with open(args.calibration, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip()]
    folder, owed = args.model, 0.0
    for step in range(args.iterations):
        model = clock.run("load", load, folder, getattr(torch, args.dtype))
        tokenizer = clock.run("load", AutoTokenizer.from_pretrained, folder)
        if args.path[step % len(args.path)] == "L":
            clock.run("prune", delete_layer, model)
        else:
            groups, neurons, owed = released_counts(model.config, owed)
            run = Runner(model, tokenizer, args.bare_forward)
            count = min(args.samples, len(lines))
            head_scores = clock.run("measure", head_pass, run, model, rng.sample(lines, count))
            neuron_scores = clock.run("measure", neuron_pass, run, model, rng.sample(lines, count))
            if groups:
                clock.run("prune", delete_group, model, head_scores)
            clock.run("prune", delete_neurons, model, neuron_scores, neurons)
        folder = f"{args.out}/iteration-{step + 1}"
        clock.run("write", model.save_pretrained, folder)
        clock.run("write", tokenizer.save_pretrained, folder)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--out", required=True)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--path", default="LGGLLLGGLLGLGLLGGL")
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dtype", default="bfloat16", help="dtype of the model; sums are float32, as released")
    parser.add_argument("--bare-forward", action="store_true", help="without the text-generation pipeline")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    clock = Clock()
    model = prune(args, clock)
    done = time.perf_counter()
    print(
        json.dumps(
            {
                "import_seconds": IMPORTED - STARTED,
                "run_seconds": done - IMPORTED,
                "parts": clock.seconds,
                "parameters": model.num_parameters(),
                "block_parameters": sum(p.numel() for p in model.model.layers.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main()
