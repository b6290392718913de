"""Loads a checkpoint that `mop prune` wrote with transformers and compares it with what mop says about it:
every tensor accounted for, parameter count, negative log-likelihood, greedy text, tokenizer files unchanged."""

import argparse
import json
import math
import pathlib
import subprocess

import sentencepiece
import torch
import transformers

PROMPT = "once upon a time there was a little"


def mop(program, *arguments):
    result = subprocess.run([program, *arguments], check=True, capture_output=True, text=True)
    return result.stdout


def load(folder):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, trust_remote_code=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{folder}: {kind} {info[kind]}"
    return model.eval()


@torch.no_grad()
def line_nll(model, pieces, lines):
    """Protocol `lines`: each line a document with BOS and no EOS, cut at the context. Ids come from the
    SentencePiece library itself: transformers 5 reads such a model differently from it around blanks."""
    total, count = 0.0, 0
    context = model.config.max_position_embeddings
    for line in lines:
        ids = [pieces.bos_id(), *pieces.encode(line)][:context]
        logits = model(torch.tensor([ids])).logits[0, :-1].double()
        picked = logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])
        total, count = total - picked.sum().item(), count + len(ids) - 1
    return total, count


def compare(what, ours, theirs, tolerance):
    difference = abs(ours - theirs) / max(abs(theirs), 1e-12)
    print(f"  {what}: mop {ours:.8g}, transformers {theirs:.8g}, relative difference {difference:.1e}")
    assert difference <= tolerance, f"{what} differs by {difference}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("mop", "dense", "pruned", "text"):
        parser.add_argument("--" + name, required=True)
    args = parser.parse_args()
    print(f"{args.pruned} (from {args.dense}), transformers {transformers.__version__}")

    model = load(args.pruned)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.pruned, trust_remote_code=True)
    said = json.loads(mop(args.mop, "inspect", args.pruned, "--json"))
    compare("parameters", said["parameters"], model.num_parameters(), 0)
    assert said["parameters"] < json.loads(mop(args.mop, "inspect", args.dense, "--json"))["parameters"]

    lines = [line for line in pathlib.Path(args.text).read_text().splitlines() if line]
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{args.pruned}/tokenizer.model")
    total, count = line_nll(model, pieces, lines)
    result = json.loads(mop(args.mop, "eval", args.pruned, "--text", args.text, "--protocol", "lines", "--json"))
    compare("scored tokens", result["scored_tokens"], count, 0)
    compare("perplexity", result["perplexity"], math.exp(total / count), 1e-4)

    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer.encode(PROMPT, add_special_tokens=False)]])
    assert ids.tolist() == [[pieces.bos_id(), *pieces.encode(PROMPT)]]
    greedy = model.generate(ids, max_new_tokens=32, do_sample=False)[0, ids.shape[1]:]
    theirs = tokenizer.decode(greedy, skip_special_tokens=True)
    ours = mop(args.mop, "generate", args.pruned, "--prompt", PROMPT, "--max-new-tokens", "32")
    assert theirs.strip() in ours, f"greedy text differs:\n  mop: {ours!r}\n  transformers: {theirs!r}"

    for file in pathlib.Path(args.dense).glob("token*"):
        copy = pathlib.Path(args.pruned) / file.name
        assert copy.read_bytes() == file.read_bytes(), f"{file.name} was changed"


if __name__ == "__main__":
    main()
