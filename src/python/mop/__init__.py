"""MoP makes language models smaller by removing whole layers, heads and neurons.

A thin layer over the library: `load`, `score`, `prune`, `evaluate` and the rest do what the program's verbs of these
names do, with the same defaults, results and error texts. A model is a folder, a .gguf file or a hub id
(`org/name[@revision]`). Tensors are torch's, shared without a copy. Long work leaves other threads running and stops at
Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Union

import torch  # first: it loads the libraries that the extension is linked with

from mop import _mop
from mop._mop import BranchInput, Choice, Model, ScoreInput, Tokenizer
from mop.errors import BadInputError, Error, InternalError, IoError, UsageError

_built, _found = (v.split("+")[0].rsplit(".", 1)[0] for v in (_mop.libtorch_version(), torch.__version__))
if _built != _found:
    raise ImportError(f"mop was built for torch {_built}.x, but torch {torch.__version__} is installed: install mop anew")

__version__: str = _mop.version()
__all__ = [
    "BadInputError", "BranchInput", "Choice", "Error", "InternalError", "IoError", "Listener", "Model", "ScoreInput",
    "Tokenizer", "UsageError", "add_branch", "add_criterion", "add_selector", "check", "dry_run", "evaluate",
    "evaluate_tasks", "export", "generate", "inspect", "list_table", "load", "local_model", "plan", "prune", "read_recipe",
    "recover", "report", "score", "set_threads", "train",
]

PathLike = Union[str, "os.PathLike[str]"]
Json = Any


class Listener(Protocol):
    """What `progress=` takes: an object with any of these methods."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def begin(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...
    def end(self) -> None: ...


def _name(model: PathLike) -> str:
    return os.fspath(model)


def _listed(values: Any) -> list[Any]:
    """A single name or path is a list of one: taken apart, a string would be its letters."""
    return [values] if isinstance(values, (str, os.PathLike)) else list(values)


def local_model(model: PathLike, *, progress: Listener | None = None) -> Path:
    """The local path of a model; a hub id is looked up in the shared cache, else downloaded into it."""
    return _mop.local_model(_name(model), progress=progress)


def load(model: PathLike, *, progress: Listener | None = None) -> Model:
    """Opens a model and checks that every tensor is there. Nothing is read but the headers.

    What one should know of its files goes to `progress` as notes and stays in `Model.notes`.
    """
    return _mop.load(_name(model), progress=progress)


def inspect(model: PathLike, *, progress: Listener | None = None) -> dict[str, Json]:
    """What `mop inspect` says: family, sizes, bytes, layers."""
    return _mop.inspect(_name(model), progress=progress)


def score(model: PathLike, criteria: str | Sequence[str], calibration: PathLike, *, samples: int = 128,
          random: bool = False, seed: int = 0, max_tokens: int = 0, device: str = "cpu", dtype: str = "",
          progress: Listener | None = None) -> dict[str, list[torch.Tensor]]:
    """Scores of every unit: {criterion: [a tensor per layer]}, float64, higher = keep."""
    names = _listed(criteria)
    return _mop.score(_name(model), names, calibration, samples=samples, random=random, seed=seed,
                      max_tokens=max_tokens, device=device, dtype=dtype, progress=progress)


def read_recipe(path: PathLike) -> dict[str, Json]:
    """A recipe file (.yaml, .json) as it is written."""
    return _mop.read_recipe(path)


def _merged(recipe: PathLike | Mapping[str, Json] | None, given: Mapping[str, PathLike | None],
            settings: Mapping[str, Json] | None) -> Json:
    """The recipe, what was given as arguments, and settings on top, as the program merges file, flags and --set."""
    merged: Json = {} if recipe is None else dict(recipe) if isinstance(recipe, Mapping) else _mop.read_recipe(recipe)
    for key, value in {**{k: v for k, v in given.items() if v is not None}, **(settings or {})}.items():
        merged = _mop.set_in_recipe(merged, key, value)
    return merged


def prune(model: PathLike | None = None, out: PathLike | None = None, *, calibration: PathLike | None = None,
          images: PathLike | None = None,
          recipe: PathLike | Mapping[str, Json] | None = None, settings: Mapping[str, Json] | None = None,
          resume: bool = False, force: bool = False, progress: Listener | None = None) -> dict[str, Json]:
    """Prunes a model into the folder `out`, which then holds a checkpoint and run/. Returns the run's metrics.

    `recipe` is a recipe file or its content; `settings` are single keys on top of it, spelled as for `--set`:
    {"target.iterations": 3, "select": "path:LGG", "width.neurons": "my-criterion"}. `images` is the folder of the pictures
    that records of the calibration file name; without it they are looked up beside that file.
    """
    if out is None:
        raise UsageError("out is required: the folder for the result")
    merged = _merged(recipe, {"model": model, "calibration.file": calibration, "calibration.images": images}, settings)
    return _mop.prune(merged, out, resume=resume, force=force, progress=progress)


def dry_run(model: PathLike | None = None, *, calibration: PathLike | None = None, images: PathLike | None = None,
            recipe: PathLike | Mapping[str, Json] | None = None, settings: Mapping[str, Json] | None = None,
            progress: Listener | None = None) -> dict[str, Json]:
    """What `prune` would do: the resolved recipe, sizes after every step, memory and disk needed, warnings."""
    merged = _merged(recipe, {"model": model, "calibration.file": calibration, "calibration.images": images}, settings)
    return _mop.dry_run(merged, progress=progress)


def plan(model: PathLike, settings: Mapping[str, Json], *, progress: Listener | None = None) -> dict[str, Json]:
    """Sizes after every step, without weights: what `mop plan` says."""
    return _mop.plan_sizes(_name(model), _merged(None, {}, settings), progress=progress)


def recover(model: PathLike | None = None, out: PathLike | None = None, *, data: PathLike | None = None,
            images: PathLike | None = None,
            recipe: PathLike | Mapping[str, Json] | None = None, settings: Mapping[str, Json] | None = None,
            resume: bool = False, force: bool = False, progress: Listener | None = None) -> dict[str, Json]:
    """Trains a pruned model into the folder `out`: LoRA by default, {"method": "full"} or "distil" by `settings`.

    Keys are those of `mop recover --set`: {"epochs": 1, "lora.rank": 16, "validation.samples": 64}; `images` is as for `prune`.
    Returns metrics.
    """
    if out is None:
        raise UsageError("out is required: the folder for the result")
    merged = _merged(recipe, {"model": model, "data.file": data, "data.images": images}, settings)
    return _mop.recover(merged, out, resume=resume, force=force, progress=progress)


def train(config: PathLike, out: PathLike, *, tokenizer: PathLike, data: PathLike | None = None,
          recipe: PathLike | Mapping[str, Json] | None = None, settings: Mapping[str, Json] | None = None,
          resume: bool = False, force: bool = False, progress: Listener | None = None) -> dict[str, Json]:
    """Trains a model of random weights into the folder `out`: what `mop train` does. Returns metrics.

    `config` is a config.json or a folder that holds one, `tokenizer` a folder or file; settings as for `recover`.
    """
    merged = _merged(recipe, {"data.file": data}, settings)
    return _mop.train(config, tokenizer, merged, out, resume=resume, force=force, progress=progress)


def export(model: PathLike, out: PathLike, *, format: str, dtype: str = "", adapter: PathLike | None = None,
           force: bool = False, progress: Listener | None = None) -> dict[str, Json]:
    """Writes a model in another format (`list_table("formats")`) and reads it back before it is called done."""
    return _mop.export_model(_name(model), out, format=format, dtype=dtype, adapter=adapter or "", force=force,
                             progress=progress)


def check(model: PathLike, *, readers: Sequence[str] = (), python: str = sys.executable, dtype: str = "float32",
          progress: Listener | None = None) -> dict[str, Json]:
    """Reads a checkpoint with our own reader and with those that are installed for `python`: what `mop check` says."""
    return _mop.check(_name(model), readers=_listed(readers), python=python, dtype=dtype, progress=progress)


def evaluate(model: PathLike, text: PathLike, *, protocol: str = "lines", limit: int = 0,
             versus: PathLike | None = None, device: str = "cpu", dtype: str = "",
             progress: Listener | None = None) -> dict[str, Json]:
    """Perplexity of a text by a named protocol (`list_table("protocols")`), beside `versus` if that is given.

    `limit` is how many of its first lines, windows or pages are judged; 0 = all.
    """
    return _mop.evaluate(_name(model), text, protocol=protocol, limit=limit,
                         versus="" if versus is None else _name(versus), device=device, dtype=dtype, progress=progress)


def evaluate_tasks(model: PathLike, tasks: Sequence[str], data: PathLike, *, images: PathLike | None = None, limit: int = 0,
                   bos: str = "auto", fewshot: int = 0, device: str = "cpu", dtype: str = "",
                   progress: Listener | None = None) -> dict[str, Json]:
    """Zero-shot tasks (`list_table("tasks")`); results in the shape of lm-evaluation-harness.

    `images` is the folder of the pictures that records name; without it they are looked up in `data`.
    """
    return _mop.evaluate_tasks(_name(model), _listed(tasks), data, images="" if images is None else images, limit=limit, bos=bos,
                               fewshot=fewshot, device=device, dtype=dtype, progress=progress)


def generate(model: PathLike, prompt: str, *, images: Sequence[PathLike] = (), chat: bool = False, system: str = "",
             adapter: PathLike | None = None, max_new_tokens: int = 128, temperature: float = 0.0, seed: int = 0,
             device: str = "cpu", dtype: str = "", progress: Listener | None = None) -> dict[str, Json]:
    """Continues a text, or with `chat` answers it as a user's message.

    `images` are pictures for a model that sees, in the order of the prompt's `<image>` words; with `chat` and without such
    words they stand before the message. Returns {prompt, text, prompt_tokens, new_tokens, ids, seconds}.
    """
    return _mop.generate(_name(model), prompt, images=_listed(images), chat=chat, system=system,
                         adapter="" if adapter is None else adapter, max_new_tokens=max_new_tokens, temperature=temperature,
                         seed=seed, device=device, dtype=dtype, progress=progress)


def report(*sources: PathLike, out: PathLike | None = None) -> dict[str, Json]:
    """What `mop report` says: a row for each run folder; with `out` their page, or one that compares several.

    JSON files of `mop eval` and `mop bench` may stand among the sources; the page shows them, too.
    """
    return _mop.report([os.fspath(source) for source in sources], out="" if out is None else out)


def list_table(table: str) -> list[dict[str, Json]]:
    """The things chosen by name or set, as they are declared: criteria, branches, selectors, recipe, families, ...

    Each has a name and a summary; most have a source, and `options` of {name, key, type, default, range, help}.
    """
    return _mop.catalog(table)


def set_threads(threads: int) -> None:
    """Threads to compute with; 0 = all cores."""
    _mop.set_threads(threads)


def add_criterion(name: str, unit: str, score: Callable[[ScoreInput], torch.Tensor], *, needs: Sequence[str] = (),
                  reads_weights: bool = True, summary: str = "", options: Mapping[str, Json] | None = None,
                  source: str = "") -> None:
    """Makes a criterion usable by name: in `score`, and in recipes (`width.heads`, `width.neurons`).

    `unit` is what it ranks, "KV group" or "neuron"; `needs` are statistics to gather ("head-output-l1",
    "neuron-input-abs"). `score` is called for each layer and returns one number per unit, higher = keep.

    `options` are the settings of the recipe's section `name`, which `layer.options` then holds: {"power": 2.0}, or
    {"power": {"default": 2.0, "above": 0, "help": "of the norm"}} (least, above, most, below, choices).
    """
    _mop.add_criterion(name, unit, score, needs=list(needs), reads_weights=reads_weights, summary=summary,
                       options=dict(options or {}), source=source)


def add_branch(letter: str, name: str, count: Callable[[BranchInput], Mapping[str, Json]],
               propose: Callable[[BranchInput], Sequence[Mapping[str, Json]]], *, criteria: Sequence[str] = (),
               divisible: bool = True, summary: str = "", options: Mapping[str, Json] | None = None,
               source: str = "") -> None:
    """Makes a way of removing parameters usable in recipes (`branches`) and, by its letter, in paths.

    `count` says the sizes after a step: {"layers": [shape, ...], "removed_layers": [current index, ...]}. `propose`
    says which units go, as in plan.json: [{"layer": source, "whole": True}, {"layer": source, "neurons": "3,7-9"}].
    It may ask for `input.scores(criterion)` of the criteria named here. `options` are those of `add_criterion`.
    """
    _mop.add_branch(letter, name, count, propose, criteria=list(criteria), divisible=divisible, summary=summary,
                    options=dict(options or {}), source=source)


def add_selector(name: str, choose: Callable[[Choice], int], *, needs_validation: bool = False,
                 summary: str = "", source: str = "") -> None:
    """Makes a selector usable by name (`select`): it returns the index of the candidate that is taken.

    With `needs_validation` it may call `choice.validate([indices])`, which returns {"nll", "kl", "cosine"} of each.
    """
    _mop.add_selector(name, choose, needs_validation=needs_validation, summary=summary, source=source)
