#!/usr/bin/env python3
"""What the Python package and its stubs say of settings, beside what the program declares."""

import ast
import inspect
import pathlib
import unittest

import torch  # noqa: F401 (loads the libraries that mop is linked with)

import mop

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Declarations(unittest.TestCase):
    """What the package and its stubs say of settings is what the program declares."""

    def setUp(self):
        options = {o["key"]: o["default"] for row in mop.list_table("recipe") for o in row["options"]}
        self.declared = {"samples": options["calibration.samples"], "seed": options["seed"],
                         "random": options["calibration.sample"] == "random", "device": options["compute.device"]}
        stub = ast.parse((ROOT / "src" / "python" / "mop" / "_mop.pyi").read_text())
        self.stubs = {node.name: node.args for node in stub.body if isinstance(node, ast.FunctionDef)}

    def test_defaults_are_the_declared_ones(self):
        compared = 0
        for name in ("score", "evaluate", "evaluate_tasks"):
            stub = self.stubs[name]
            defaults = {arg.arg: ast.literal_eval(value) for arg, value in zip(stub.kwonlyargs, stub.kw_defaults)}
            signature = inspect.signature(getattr(mop, name)).parameters
            for setting in self.declared.keys() & defaults.keys():
                self.assertEqual(defaults[setting], self.declared[setting], f"stub of {name}, {setting}")
                self.assertEqual(signature[setting].default, self.declared[setting], f"{name}, {setting}")
                compared += 1
        self.assertEqual(compared, 6)

    def test_stubs_name_every_argument(self):
        for name, stub in self.stubs.items():
            text = getattr(mop._mop, name).__doc__
            for argument in stub.args + stub.kwonlyargs:
                self.assertIn(f"{argument.arg}: ", text, f"{name} has no argument {argument.arg}")

    def test_a_plug_in_declares_its_options(self):
        mop.add_criterion("py-declared", "neuron", lambda layer: layer.stats["neuron-input-abs"], source="here",
                          options={"power": 1, "norm": {"default": 0.5, "above": 0, "help": "of the norm"}})
        row = next(row for row in mop.list_table("criteria") if row["name"] == "py-declared")
        self.assertEqual(row["source"], "here")
        self.assertEqual(row["options"][1], {"name": "norm", "type": "number", "default": 0.5, "range": {"above": 0.0},
                                             "help": "of the norm", "key": "py-declared.norm"})
        for setting, text in (("powr", "did you mean 'power'"), ("norm", "must be above 0")):
            with self.assertRaisesRegex(mop.UsageError, text):
                mop.dry_run("unused", settings={"select": "path:G", f"py-declared.{setting}": 0})

    def test_a_target_may_be_a_size(self):
        model = ROOT / "assets" / "tinystories-12l"
        run = mop.dry_run(model, settings={"target.size": "9MB", "target.currency": "memory"})
        memory = next(cost for cost in run["after"]["costs"] if cost["name"] == "memory")
        self.assertTrue(8.9e6 < memory["pruned"] <= 9e6, memory)
        with self.assertRaisesRegex(mop.UsageError, "the dense model has 5.657 M"):
            mop.dry_run(model, settings={"target.size": 6000000})


if __name__ == "__main__":
    unittest.main(verbosity=1)
