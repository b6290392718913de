#!/usr/bin/env python3
"""The Python package: that of PYTHONPATH (build/python), in the reference environment."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build"))
MODEL = ROOT / "assets" / "tinystories-12l"
CALIBRATION = ROOT / "assets" / "text" / "generated-calibration.txt"
EVALUATION = ROOT / "assets" / "text" / "generated-evaluation.txt"
SMALL = {"calibration.samples": 16, "calibration.max_tokens": 48}

import torch  # noqa: E402

import mop  # noqa: E402

torch.set_num_threads(1)
warnings.simplefilter("ignore")  # of readers that would refuse the small models made here


def neurons_by_amp(layer):
    return layer.stats["neuron-input-abs"]


def lowest(scores, count):
    return ",".join(str(i) for i in sorted(torch.argsort(scores, stable=True)[:count].tolist()))


class Listener:
    def __init__(self):
        self.begun, self.ended, self.notes = [], 0, []

    def begin(self, what, total):
        self.begun.append(what)

    def end(self):
        self.ended += 1

    def note(self, text):
        self.notes.append(text)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def prune(self, name="out", **settings):
        return mop.prune(MODEL, self.folder / name, calibration=CALIBRATION, settings=SMALL | settings)

    def plan(self, name="out"):
        return json.loads((self.folder / name / "run" / "plan.json").read_text())


class Models(Folder):
    def test_a_model_says_what_inspect_says(self):
        model, about = mop.load(MODEL), mop.inspect(MODEL)
        self.assertEqual(model.family, about["family"])
        self.assertEqual(model.parameters, about["parameters"])
        self.assertEqual([{k: layer[k] for k in ("heads", "kv_heads", "head_dim", "mlp")} for layer in model.layers],
                         about["layers"])
        self.assertEqual(model.config["hidden_size"], json.loads((MODEL / "config.json").read_text())["hidden_size"])

    def test_tensors_are_the_mapped_file(self):
        model = mop.load(MODEL)
        tensor = model.tensor("model.norm.weight")
        maps = [line.split() for line in pathlib.Path("/proc/self/maps").read_text().splitlines()
                if line.endswith("model.safetensors")]
        bounds = [[int(x, 16) for x in line[0].split("-")] for line in maps]
        self.assertTrue(any(low <= tensor.data_ptr() < high for low, high in bounds))
        del model
        self.assertTrue(torch.isfinite(tensor.float()).all(), "the mapping went with the model")

    def test_writing_to_a_tensor_changes_neither_the_model_nor_the_file(self):
        model, ids, name = mop.load(MODEL), torch.tensor([1, 5, 9, 30]), "model.layers.0.mlp.down_proj.weight"
        before, file = model.logits(ids), (MODEL / "model.safetensors").read_bytes()
        tensor = model.tensor(name)
        tensor.zero_()
        self.assertEqual(tensor.abs().sum(), 0)
        self.assertGreater(model.tensor(name).abs().sum(), 0)
        self.assertTrue(torch.equal(mop.load(MODEL).logits(ids), before))
        self.assertTrue(torch.equal(model.logits(ids), before))
        self.assertEqual((MODEL / "model.safetensors").read_bytes(), file)

    def test_logits_are_those_of_transformers(self):
        try:
            from transformers import AutoModelForCausalLM
        except ImportError:
            self.skipTest("no transformers")
        ids = torch.tensor(mop.load(MODEL).tokenizer.encode("Once upon a time there was a little girl"))
        reference = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)(ids[None]).logits[0].detach()
        ours = mop.load(MODEL).logits(ids)
        self.assertLess((ours - reference).abs().max() / reference.abs().max(), 1e-4)

    def test_generation_goes_through_the_tokenizer(self):
        model = mop.load(MODEL)
        prompt = model.tokenizer.encode("Once upon a time")
        self.assertEqual(prompt[0], model.tokenizer.bos)
        ids = model.generate(prompt, max_new_tokens=8)
        self.assertEqual(ids[0], int(model.logits(torch.tensor(prompt))[-1].argmax()))
        self.assertIsInstance(model.tokenizer.decode(ids), str)

    def test_what_the_program_notes_of_a_models_files_is_told_and_kept(self):
        folder = self.folder / "model"
        shutil.copytree(MODEL, folder)
        (folder / "generation_config.json").write_text('{"do_sample": true, "top_p": 0.9, "strange": 1}')

        listener = Listener()
        model = mop.load(folder, progress=listener)
        self.assertIn("generation does not stop", model.notes[0])
        self.assertIn("strange is unknown and ignored", model.notes[1])
        self.assertEqual(listener.notes, ["note: " + note for note in model.notes[:2]])
        self.assertIn("sets do_sample true, top_p 0.9, which is not applied", model.notes[2])

    def test_a_plan_is_applied_and_saved_like_the_run_that_made_it(self):
        self.prune(**{"target.iterations": 2, "select": "path:LG"})
        smaller = mop.load(MODEL).apply(self.plan())
        smaller.save(self.folder / "mine")
        run, mine = mop.load(self.folder / "out"), mop.load(self.folder / "mine")
        self.assertEqual(run.parameters, mine.parameters)
        for name in run.tensor_names():
            self.assertTrue(torch.equal(run.tensor(name), mine.tensor(name)), name)
        ids = torch.tensor([1, 5, 9, 30])
        self.assertTrue(torch.equal(smaller.logits(ids), mine.logits(ids)))


class Jobs(Folder):
    def test_pruning_gives_the_bytes_that_the_program_gives(self):
        program = BUILD / "src" / "mop"
        if not program.exists():
            self.skipTest("the program is not built")
        self.prune(**{"target.iterations": 2, "select": "path:LG"})
        subprocess.run([program, "prune", MODEL, "--out", self.folder / "program", "--calibration", CALIBRATION,
                        "--samples", "16", "--max-tokens", "48", "--iterations", "2", "--select", "path:LG", "--threads", "1"],
                       check=True, capture_output=True)
        self.assertEqual((self.folder / "out" / "model.safetensors").read_bytes(),
                         (self.folder / "program" / "model.safetensors").read_bytes())

    def test_a_recipe_file_runs_and_settings_come_on_top(self):
        recipe = self.folder / "recipe.yaml"
        recipe.write_text(f"model: {MODEL}\ncalibration:\n  file: {CALIBRATION}\n  samples: 16\n  max_tokens: 48\n"
                          "target:\n  iterations: 3\nselect: path:L\n")
        metrics = mop.prune(out=self.folder / "out", recipe=recipe, settings={"target.iterations": 1})
        self.assertEqual(len(self.plan()["steps"]), 1)
        self.assertEqual(metrics["pruned"]["parameters"], mop.load(self.folder / "out").parameters)
        self.assertEqual(mop.read_recipe(recipe)["select"], "path:L")
        sizes = mop.plan(MODEL, {"target.iterations": 1, "select": "path:L"})
        self.assertEqual(sizes["steps"][0]["parameters"], metrics["pruned"]["parameters"])

    def test_evaluation_says_the_protocol_beside_the_figure(self):
        text = self.folder / "text.txt"
        text.write_text("\n".join(EVALUATION.read_text().splitlines()[:20]) + "\n")
        result = mop.evaluate(MODEL, text)
        self.assertEqual(result["protocol"], "lines")
        self.assertGreater(result["perplexity"], 1)
        self.assertEqual(mop.evaluate(MODEL, text, limit=5)["documents"], 5)
        with self.assertRaisesRegex(mop.UsageError, "limit is -1, expected 1 or more"):
            mop.evaluate(MODEL, text, limit=-1)

    def test_export_writes_a_gguf_that_is_read_as_a_model(self):
        result = mop.export(MODEL, self.folder / "model.gguf", format="gguf", dtype="f32")
        self.assertEqual(result["format"], "gguf")
        ids = torch.tensor([1, 5, 9, 30])
        ours, dense = mop.load(self.folder / "model.gguf").logits(ids), mop.load(MODEL).logits(ids)
        self.assertLess((ours - dense).abs().max() / dense.abs().max(), 1e-5)

    def test_recovery_trains_what_pruning_left(self):
        self.prune(**{"target.iterations": 1, "select": "path:L"})
        metrics = mop.recover(self.folder / "out", self.folder / "recovered", data=CALIBRATION,
                              settings={"tokens": 2000, "batch": 2, "accumulate": 1, "data.max_tokens": 32})
        self.assertEqual(metrics["out"], str(self.folder / "recovered"))
        self.assertEqual(mop.load(self.folder / "recovered").parameters, mop.load(self.folder / "out").parameters)

    def test_training_begins_with_random_weights(self):
        config = {"model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                  "num_attention_heads": 2, "vocab_size": 2048, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
                  "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32"}
        (self.folder / "config.json").write_text(json.dumps(config))
        metrics = mop.train(self.folder / "config.json", self.folder / "out", tokenizer=MODEL, data=CALIBRATION,
                            settings={"tokens": 500, "batch": 2, "accumulate": 1, "data.max_tokens": 32})
        self.assertIn("method: full", (self.folder / "out" / "run" / "recipe.yaml").read_text())
        self.assertGreater(metrics["outcome"]["tokens"], 400)
        self.assertEqual(mop.load(self.folder / "out").layers[0]["mlp"], 32)

    def test_progress_reaches_any_object_that_has_the_methods(self):
        listener = Listener()
        mop.prune(MODEL, self.folder / "out", calibration=CALIBRATION, progress=listener,
                  settings=SMALL | {"target.iterations": 1, "select": "path:G"})
        self.assertIn("steps", listener.begun)
        self.assertEqual(len(listener.begun), listener.ended)
        self.assertTrue(listener.notes)

    def test_other_threads_go_on_while_the_library_works(self):
        ticks, stop = [], threading.Event()

        def tick():
            while not stop.wait(0.005):
                ticks.append(time.time())

        thread = threading.Thread(target=tick)
        thread.start()
        start = time.time()
        mop.score(MODEL, "amp-neurons", CALIBRATION, samples=64)
        end = time.time()
        stop.set()
        thread.join()
        inside = [t for t in ticks if start < t < end]
        self.assertGreater(len(inside), (end - start) / 0.005 / 20, f"{len(inside)} ticks in {end - start:.2f} s")


class Plugins(Folder):
    def test_a_criterion_in_python_scores_as_the_built_in_one(self):
        mop.add_criterion("py-amp", "neuron", neurons_by_amp, needs=["neuron-input-abs"])
        scores = mop.score(MODEL, ["py-amp", "amp-neurons"], CALIBRATION, samples=8, max_tokens=32)
        self.assertEqual(len(scores["py-amp"]), 12)
        for mine, ours in zip(scores["py-amp"], scores["amp-neurons"]):
            self.assertEqual(mine.dtype, torch.float64)
            self.assertTrue(torch.equal(mine, ours))
        self.assertIn("py-amp", [row["name"] for row in mop.list_table("criteria")])

    def test_a_criterion_in_python_prunes_by_name_and_reads_its_section(self):
        seen = []

        def score(layer):
            seen.append((layer.options, layer.weights["mlp.down_proj.weight"].shape[1], layer.shape["mlp"]))
            return layer.stats["neuron-input-abs"]

        mop.add_criterion("py-amp-2", "neuron", score, needs=["neuron-input-abs"], options={"power": 1, "norm": 0.5})
        common = {"target.iterations": 2, "select": "path:G"}
        self.prune("mine", **common, **{"width.neurons": "py-amp-2", "py-amp-2.power": 2})
        self.prune("ours", **common)
        self.assertEqual([s["layers"] for s in self.plan("mine")["steps"]], [s["layers"] for s in self.plan("ours")["steps"]])
        self.assertEqual(seen[0][0], {"power": 2, "norm": 0.5})
        self.assertTrue(all(columns == mlp for _, columns, mlp in seen))

    def test_a_criterion_may_write_to_the_weights_that_it_is_given(self):
        def score(layer):
            weight = layer.weights["mlp.down_proj.weight"]
            return weight.abs_().double().sum(0)

        mop.add_criterion("py-writes", "neuron", score)
        model, ids = mop.load(MODEL), torch.tensor([1, 5, 9, 30])
        before = model.logits(ids)
        first, second = (mop.score(MODEL, "py-writes", CALIBRATION, samples=2, max_tokens=16)["py-writes"] for _ in range(2))
        self.assertTrue(all(torch.equal(a, b) for a, b in zip(first, second)))
        self.assertTrue(torch.equal(model.logits(ids), before))

    def test_a_branch_in_python_takes_part_in_a_path(self):
        def count(step):
            per_layer = [dict(s, mlp=s["mlp"] - 8) for s in step.layers]
            return {"layers": per_layer}

        def propose(step):
            layers = []
            for scores, layer in zip(step.scores("amp-neurons"), step.model.layers):
                kept = layer["kept_neurons"]
                layers.append({"layer": layer["source"],
                               "neurons": ",".join(str(kept[int(i)]) for i in lowest(scores, 8).split(","))})
            return layers

        mop.add_branch("P", "py-width", count, propose, criteria=["amp-neurons"])
        metrics = self.prune(**{"target.iterations": 2, "branches": ["depth", "py-width"], "select": "path:PL"})
        self.assertEqual([s["branch"] for s in self.plan()["steps"]], ["py-width", "depth"])
        self.assertEqual(metrics["pruned"]["parameters"], mop.load(self.folder / "out").parameters)
        self.assertEqual(mop.load(self.folder / "out").layers[0]["mlp"], mop.load(MODEL).layers[0]["mlp"] - 8)

    def test_a_selector_in_python_sees_figures_and_chooses(self):
        seen = []

        def choose(choice):
            figures = choice.validate([0, 1])
            seen.append((choice.step, choice.argument, figures, choice.model(0).parameters))
            return 1 if choice.step % 2 else 0

        mop.add_selector("py-alternate", choose, needs_validation=True)
        self.prune(**{"target.iterations": 3, "select": "py-alternate"})
        self.assertEqual([s["branch"] for s in self.plan()["steps"]], ["width", "depth", "width"])
        self.assertEqual([s[0] for s in seen], [1, 2, 3])
        self.assertTrue(all(f["nll"] > 0 for s in seen for f in s[2]))

    def test_a_choice_ends_with_its_selector(self):
        kept = []
        mop.add_selector("py-keeper", lambda choice: kept.append(choice) or 0)
        self.prune(**{"target.iterations": 1, "select": "py-keeper"})
        with self.assertRaisesRegex(mop.UsageError, "only while its selector runs"):
            kept[0].validate([0])


class Errors(Folder):
    def test_an_error_is_an_exception_of_its_kind_with_the_programs_text(self):
        for call, kind, args in (
                (lambda: mop.load(self.folder / "none"), mop.Error, ["inspect", self.folder / "none"]),
                (lambda: mop.evaluate(MODEL, EVALUATION, protocol="nonsense"), mop.UsageError,
                 ["eval", MODEL, "--text", EVALUATION, "--protocol", "nonsense"])):
            with self.assertRaises(kind) as caught:
                call()
            program = BUILD / "src" / "mop"
            if program.exists():
                ran = subprocess.run([program, *args], capture_output=True, text=True)
                self.assertEqual(f"error: {caught.exception}\n", ran.stderr)

    def test_kinds_are_also_pythons_own(self):
        self.assertTrue(issubclass(mop.UsageError, ValueError))
        self.assertTrue(issubclass(mop.IoError, OSError))
        with self.assertRaises(ValueError) as caught:
            mop.score(MODEL, "no-such", CALIBRATION)
        self.assertEqual(caught.exception.kind, "usage")
        self.assertIn("known: ", str(caught.exception))

    def test_an_exception_in_a_callback_comes_out_as_it_is(self):
        def broken(layer):
            raise ZeroDivisionError(f"layer {layer.layer}")

        mop.add_criterion("py-broken", "neuron", broken, needs=["neuron-input-abs"])
        with self.assertRaisesRegex(ZeroDivisionError, "layer 0"):
            mop.score(MODEL, "py-broken", CALIBRATION, samples=2, max_tokens=16)

    def test_a_wrong_number_of_scores_is_refused(self):
        mop.add_criterion("py-short", "neuron", lambda layer: torch.ones(3))
        with self.assertRaisesRegex(mop.Error, "py-short"):
            mop.score(MODEL, "py-short", CALIBRATION, samples=2, max_tokens=16)

    def test_a_name_is_given_once(self):
        mop.add_criterion("py-once", "neuron", neurons_by_amp)
        with self.assertRaises(mop.UsageError):
            mop.add_criterion("py-once", "neuron", neurons_by_amp)

    def test_control_c_stops_long_work_and_leaves_the_library_usable(self):
        code = ("import os, signal, threading, time, sys, mop\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
                "threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
                "start = time.time()\n"
                "try:\n"
                f"  for _ in range(1000): mop.score({str(MODEL)!r}, 'amp-neurons', {str(CALIBRATION)!r}, samples=64)\n"
                "except KeyboardInterrupt:\n"
                "  print('stopped', time.time() - start < 20)\n"
                f"print(len(mop.score({str(MODEL)!r}, 'amp-neurons', {str(CALIBRATION)!r}, samples=2)['amp-neurons']))\n"
                "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n")
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        self.assertEqual(ran.stdout.split("\n")[:3], ["stopped True", "12", "True"], ran.stderr)
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_who_ignores_control_c_goes_on_ignoring_it(self):
        code = ("import os, signal, threading, mop\n"
                "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                "class Kill:\n"
                "  def advance(self, done): os.kill(os.getpid(), signal.SIGINT)\n"
                f"print(len(mop.score({str(MODEL)!r}, 'amp-neurons', {str(CALIBRATION)!r}, samples=2,\n"
                "                    progress=Kill())['amp-neurons']))\n"
                "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n")
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        self.assertEqual(ran.stdout.split("\n")[:2], ["12", "True"], ran.stderr)


class Package(Folder):
    def test_the_example_runs(self):
        ran = subprocess.run([sys.executable, ROOT / "examples" / "python" / "my_pruning.py", MODEL, CALIBRATION,
                              self.folder / "out"], capture_output=True, text=True, timeout=300)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("removed ", ran.stdout)
        self.assertIn("Once upon a time", ran.stdout)

    def test_every_name_has_a_docstring_and_every_stub_a_body(self):
        import ast
        package = pathlib.Path(mop.__file__).parent
        self.assertTrue((package / "py.typed").exists())
        for name in mop.__all__:
            self.assertTrue(getattr(mop, name).__doc__, name)
        stub = ast.parse((package / "_mop.pyi").read_text())
        for node in stub.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.assertTrue(hasattr(mop._mop, node.name), node.name)
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    name = getattr(member, "name", None) or getattr(getattr(member, "target", None), "id", None)
                    if name:
                        self.assertTrue(hasattr(getattr(mop._mop, node.name), name), f"{node.name}.{name}")
        stubbed = {node.name for node in stub.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        self.assertEqual({n for n in dir(mop._mop) if not n.startswith("_")} - stubbed, set())

    def test_another_torch_is_refused_at_import(self):
        code = "import torch; torch.__version__ = '2.6.0'\nimport mop"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        self.assertIn("ImportError: mop was built for torch", ran.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1, warnings="ignore")
