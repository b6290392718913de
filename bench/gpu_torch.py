#!/usr/bin/env python3
"""Reference measurements on a GPU by torch, transformers and peft, for bench/gpu.sh. Prints JSON.

    gpu_torch.py ceilings                    copies, matrix products, one-row products
    gpu_torch.py latency MODEL               transformers: greedy, bfloat16, sdpa, dynamic cache, no compilation
    gpu_torch.py lora MODEL TEXT             peft: a bare loop, rank 32 on all seven projections, with the fastest
                                             micro-batch and checkpointing that fit
"""
import argparse
import json
import pathlib
import statistics
import time

import torch


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def median_seconds(work, device, repeat=5, rounds=1):
    work()
    synchronize(device)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        synchronize(device)
        times.append((time.perf_counter() - start) / rounds)
    return statistics.median(times)


def copies(device, size):
    host, there = torch.randint(0, 255, (size,), dtype=torch.uint8), torch.empty(size, dtype=torch.uint8, device=device)
    found = {"h2d_pageable": size / median_seconds(lambda: there.copy_(host), device, 3)}
    if device == "cuda":
        pinned = host.pin_memory()
        found["h2d_pinned"] = size / median_seconds(lambda: there.copy_(pinned, non_blocking=True), device, 3)
        found["d2h_pinned"] = size / median_seconds(lambda: pinned.copy_(there, non_blocking=True), device, 3)
    other = torch.empty_like(there)
    found["d2d_read_and_write"] = 2 * size / median_seconds(lambda: other.copy_(there), device, 5, 5)
    return {f"{name}_gb_per_second": round(value / 1e9, 2) for name, value in found.items()}


def products(device, shapes):
    found = {}
    for n, i, o in shapes:
        a, w = (torch.randn(s, dtype=torch.bfloat16, device=device) for s in ((n, i), (o, i)))
        out = torch.empty(n, o, dtype=torch.bfloat16, device=device)
        seconds = median_seconds(lambda: torch.mm(a, w.t(), out=out), device, 5, 5)  # noqa: B023
        found[f"gemm_{n}x{i}x{o}_tflops"] = round(2 * n * i * o / seconds / 1e12, 1)
    return found


def one_row(device, count, i, o):
    """Returns the bandwidth of one-row products whose weights exceed the caches."""
    weights = [torch.randn(o, i, dtype=torch.bfloat16, device=device) for _ in range(count)]
    row = torch.randn(1, i, dtype=torch.bfloat16, device=device)
    seconds = median_seconds(lambda: [torch.nn.functional.linear(row, w) for w in weights], device)
    return {"one_row_gb_per_second": round(2 * count * i * o / seconds / 1e9, 1)}


def ceilings(args):
    found = {"torch": torch.__version__, "cuda": torch.version.cuda}
    if args.device == "cuda":
        p = torch.cuda.get_device_properties(0)
        found.update(multiprocessors=p.multi_processor_count, memory_bytes=p.total_memory, l2_bytes=p.L2_cache_size)
    found.update(copies(args.device, 1 << (24 if args.small else 30)))
    found.update(products(args.device, [(512, 512, 512)] if args.small else [(8192, 8192, 8192), (16384, 4096, 11008)]))
    found.update(one_row(args.device, 2, 256, 512) if args.small else one_row(args.device, 32, 4096, 11008))
    return found


def load(folder, device):
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa",
                                                              device_map=device)
    return model, transformers.__version__


@torch.inference_mode()
def latency(args):
    model, version = load(args.model, args.device)
    model.eval()
    result = {"transformers": version, "attention": "sdpa", "cache": "dynamic", "compiled": False, "requests": {}}

    def generate(ids, n):
        model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=n, max_new_tokens=n, do_sample=False,
                       pad_token_id=0)

    for prompt in args.prompt:
        ids = torch.randint(3, min(2000, model.config.vocab_size), (1, prompt), device=args.device)
        first = median_seconds(lambda: generate(ids, 1), args.device, args.repeat)  # noqa: B023
        whole = median_seconds(lambda: generate(ids, args.generate), args.device, args.repeat)  # noqa: B023
        result["requests"][f"{prompt}+{args.generate}"] = {"first_token_seconds": first, "total_seconds": whole,
                                                           "token_seconds": (whole - first) / (args.generate - 1)}
    return result


def batches(args, folder):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    lines = pathlib.Path(args.text).read_text(encoding="utf-8").splitlines()
    ids = [tokenizer(line)["input_ids"][: args.max_tokens] for line in lines]
    assert all(len(i) == args.max_tokens for i in ids), "a text is shorter than the cut"
    each = args.batch * args.accumulate
    return [torch.tensor(ids[k : k + each], device=args.device) for k in range(0, len(ids), each)]


def loss_and_gradient(model, ids, micro):
    """Computes loss and gradient of one step's samples, `micro` at a time; all have the same length."""
    loss_of_step = 0.0
    for part in ids.split(micro):
        loss = model(input_ids=part, labels=part).loss * (len(part) / len(ids))
        loss.backward()
        loss_of_step += loss.detach()
    return loss_of_step


def set_checkpointing(model, on):
    if on:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_disable()


def speed_of(args, model, ids, micro, checkpointing):
    """Returns tokens per second of forward and backward, or why it failed."""
    set_checkpointing(model, checkpointing)
    try:
        seconds = median_seconds(lambda: loss_and_gradient(model, ids, micro), args.device, 2)
    except torch.cuda.OutOfMemoryError:
        seconds = None
    model.zero_grad(set_to_none=True)
    if args.device == "cuda":
        torch.cuda.empty_cache()
    return "out of memory" if seconds is None else ids.numel() / seconds


def best_way(args, model, ids):
    """Returns the fastest (micro-batch, checkpointing): tries a whole step and its parts, each first without
    checkpointing."""
    sizes = sorted({len(ids), max(1, len(ids) // 2), args.batch}, reverse=True)
    tried = {(micro, again): speed_of(args, model, ids, micro, again) for micro, again in [*((m, False) for m in sizes), (sizes[0], True)]}
    numbers = {way: speed for way, speed in tried.items() if not isinstance(speed, str)}
    named = {f"micro-batch {micro}{', checkpointing' * again}": speed for (micro, again), speed in tried.items()}
    return max(numbers, key=numbers.get), named


def lora(args):
    import peft

    torch.manual_seed(0)
    model, version = load(args.model, args.device)
    model = peft.get_peft_model(model, peft.LoraConfig(
        r=32, lora_alpha=10, lora_dropout=args.dropout, task_type="CAUSAL_LM",
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=3e-4, weight_decay=0.0)
    model.train()
    result = {"transformers": version, "peft": peft.__version__, "losses": [], "seconds": [], "tokens": []}
    inputs = batches(args, args.model)
    (micro, checkpointing), result["tried"] = best_way(args, model, inputs[0])
    set_checkpointing(model, checkpointing)
    result.update(micro_batch=micro, checkpointing=checkpointing)
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for ids in inputs:
        start = time.perf_counter()
        loss_of_step = loss_and_gradient(model, ids, micro)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        synchronize(args.device)
        result["seconds"].append(time.perf_counter() - start)
        result["losses"].append(float(loss_of_step))
        result["tokens"].append(ids.numel())
    if args.device == "cuda":
        result["peak_memory_bytes"] = torch.cuda.max_memory_allocated()
    # The additions are trained in bfloat16, unlike ours and peft's default: for a speed comparison only.
    for p in trained:
        p.data = p.data.bfloat16()
    result["bfloat16_additions"] = speed_of(args, model, inputs[0], micro, checkpointing)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for work, arguments in ((ceilings, []), (latency, ["model"]), (lora, ["model", "text"])):
        command = commands.add_parser(work.__name__)
        command.set_defaults(work=work)
        command.add_argument("--device", default="cuda")
        for argument in arguments:
            command.add_argument(argument)
        if work is ceilings:
            command.add_argument("--small", action="store_true")
        if work is latency:
            command.add_argument("--prompt", type=int, nargs="+", default=[12])
            command.add_argument("--generate", type=int, default=128)
            command.add_argument("--repeat", type=int, default=3)
        if work is lora:
            command.add_argument("--max-tokens", type=int, default=512)
            command.add_argument("--batch", type=int, default=4)
            command.add_argument("--accumulate", type=int, default=4)
            command.add_argument("--dropout", type=float, default=0.05)
    args = parser.parse_args()
    print(json.dumps(args.work(args)))


if __name__ == "__main__":
    main()
