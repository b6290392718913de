#!/usr/bin/env python3
"""Damage curves of a real layer by numpy -> tests/golden/elimination/.

statistics.safetensors  Gram matrices of the inputs of o_proj and down_proj (its first neurons) and covariances of
                        their outputs' gradients, by transformers and autograd, in float32
curves.json             order and damage by the plain formulas, in float64; damage of some prefixes by solving the
                        least-squares problem itself
"""
import json
import pathlib

import numpy
import safetensors.numpy
import sentencepiece
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "golden" / "elimination"
MODEL = ROOT / "assets" / "tinystories-12l"
LAYER, LINES, MAX_TOKENS, NEURONS, DAMPING = 8, 12, 256, 128, 1e-2


def collect(model, lines):
    """{projection: (G [K, K], Gamma [D, D])}, means over tokens of the summed loss's gradients."""
    layer = model.model.layers[LAYER]
    projections = {"o_proj": layer.self_attn.o_proj, "down_proj": layer.mlp.down_proj}
    inputs, outputs = {}, {}
    for name, module in projections.items():
        def hook(module, args, output, name=name):
            inputs[name] = args[0].detach()
            output.retain_grad()
            outputs[name] = output
        module.register_forward_hook(hook)
    sums, tokens = {}, 0
    sp = sentencepiece.SentencePieceProcessor(model_file=str(MODEL / "tokenizer.model"))
    for line in lines:
        ids = torch.tensor([[sp.bos_id()] + sp.encode(line)[: MAX_TOKENS - 1]])
        logits = model(ids).logits[0, :-1].double()
        torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
        tokens += ids.shape[1]
        for name in projections:
            x, g = inputs[name][0].double(), outputs[name].grad[0].double()
            gram, sensitivity = sums.get(name, (0, 0))
            sums[name] = gram + x.T @ x, sensitivity + g.T @ g
    return {name: tuple((matrix / tokens).numpy() for matrix in pair) for name, pair in sums.items()}


def damped(gram):
    return gram + numpy.eye(len(gram)) * DAMPING * numpy.diag(gram).mean()


def curve(weights, gram, sensitivity, unit):
    """One unit after the other, everything brought up to date after each."""
    values, vectors = numpy.linalg.eigh(sensitivity)
    v = (vectors * numpy.sqrt(numpy.maximum(values, 0))).T @ weights
    a = numpy.linalg.inv(damped(gram))
    left, order, damage = list(range(len(gram) // unit)), [], []
    while left:
        costs = []
        for b in left:
            columns = slice(b * unit, (b + 1) * unit)
            costs.append(numpy.trace(v[:, columns] @ numpy.linalg.solve(a[columns, columns], v[:, columns].T)) / 2)
        best = int(numpy.argmin(costs))
        columns = slice(left[best] * unit, (left[best] + 1) * unit)
        z = numpy.linalg.solve(a[columns, columns], a[columns])
        v, a = v - v[:, columns] @ z, a - a[:, columns] @ z
        order.append(left.pop(best))
        damage.append((damage[-1] if damage else 0) + float(costs[best]))
    return order, damage


def solved(weights, gram, sensitivity, unit, gone):
    """The least 0.5 tr(Gamma (W - W') H (W - W')^T) over W' without the columns of `gone`."""
    h = damped(gram)
    kept = [k for k in range(len(gram)) if k // unit not in gone]
    error = weights.copy()
    error[:, kept] -= numpy.linalg.solve(h[numpy.ix_(kept, kept)], h[kept] @ weights.T).T
    return float(numpy.trace(sensitivity @ error @ h @ error.T)) / 2


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    lines = (ROOT / "assets/text/generated-calibration.txt").read_text().splitlines()[:LINES]
    statistics = collect(model, lines)
    layer, config = model.model.layers[LAYER], model.config
    group = config.num_attention_heads // config.num_key_value_heads * config.head_dim
    arrays, curves = {}, []
    for name, module, columns, unit in (("o_proj", layer.self_attn.o_proj, config.hidden_size, group),
                                        ("down_proj", layer.mlp.down_proj, NEURONS, 1)):
        gram, sensitivity = (matrix.astype(numpy.float32) for matrix in statistics[name])
        gram = gram[:columns, :columns].copy()
        arrays[f"{name}.gram"], arrays[f"{name}.sensitivity"] = gram, sensitivity
        problem = (module.weight.detach().double().numpy()[:, :columns], gram.astype(float), sensitivity.astype(float), unit)
        order, damage = curve(*problem)
        prefixes = sorted({1, len(order) // 2, len(order)})
        curves.append({"weight": f"model.layers.{LAYER}.{'self_attn' if unit > 1 else 'mlp'}.{name}.weight",
                       "statistics": name, "unit": unit, "damping": DAMPING, "order": order, "damage": damage,
                       "solved": [[n, solved(*problem, set(order[:n]))] for n in prefixes]})
    safetensors.numpy.save_file(arrays, FOLDER / "statistics.safetensors")
    (FOLDER / "curves.json").write_text(json.dumps(curves, indent=None) + "\n")


if __name__ == "__main__":
    main()
