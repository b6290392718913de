"""Pruning with a criterion and a selector of one's own, written in Python.

    python examples/python/my_pruning.py MODEL CALIBRATION.txt OUT

MODEL is a folder or a hub id. The criterion ranks an MLP neuron by how strongly it fires times how much of that reaches
the residual stream; the selector takes the candidate that predicts held-out text best, but never depth twice running.
"""

import sys

import mop


def score_neurons(layer: mop.ScoreInput):
    fires = layer.stats["neuron-input-abs"]  # mean |activation| per neuron, float64
    reach = layer.weights["mlp.down_proj.weight"].double().norm(dim=0)
    return fires * reach


class BestButNotDepthTwice:
    def __init__(self):
        self.last = ""

    def __call__(self, choice: mop.Choice) -> int:
        open_ones = [i for i, c in enumerate(choice.candidates)
                     if not c["obstacle"] and not (c["name"] == self.last == "depth")]
        figures = choice.validate(open_ones)
        chosen = open_ones[min(range(len(open_ones)), key=lambda i: figures[i]["nll"])]
        self.last = choice.candidates[chosen]["name"]
        return chosen


class Printer:
    def note(self, text):
        print(text, file=sys.stderr)

    warn = note


def main(model, calibration, out):
    mop.add_criterion("my-neurons", "neuron", score_neurons, needs=["neuron-input-abs"],
                      summary="mean |activation| times the norm of the neuron's output weights")
    mop.add_selector("not-depth-twice", BestButNotDepthTwice(), needs_validation=True,
                     summary="lowest perplexity, but never depth twice running")
    metrics = mop.prune(model, out, calibration=calibration, progress=Printer(),
                        settings={"target.iterations": 3, "select": "not-depth-twice", "width.neurons": "my-neurons",
                                  "calibration.samples": 32, "calibration.max_tokens": 64})
    print(f"removed {metrics['removed_fraction']:.1%} of the parameters")

    pruned = mop.load(out)
    print(pruned)
    ids = pruned.generate(pruned.tokenizer.encode("Once upon a time"), max_new_tokens=20)
    print("Once upon a time" + pruned.tokenizer.decode(ids))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
