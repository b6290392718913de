#!/usr/bin/env python3
"""Uses of a Model that must not do harm: saving over others, threads, a name where a list is expected."""

import pathlib
import tempfile
import threading
import unittest

import torch

import mop

MODEL = pathlib.Path(__file__).resolve().parents[2] / "assets" / "tinystories-12l"
torch.set_num_threads(1)


class Uses(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_saving_replaces_no_model_unless_told_and_never_its_own(self):
        other = self.folder / "other"
        mop.load(MODEL).save(other)
        with self.assertRaisesRegex(mop.UsageError, "already holds a model"):
            mop.load(MODEL).save(other)
        mop.load(MODEL).save(other, force=True)
        with self.assertRaisesRegex(mop.UsageError, "its own folder"):
            mop.load(other).save(other, force=True)

    def test_threads_take_turns_with_a_model(self):
        model, ids = mop.load(MODEL), torch.tensor([1, 5, 9, 30])
        alone = {dtype: model.logits(ids, dtype=dtype) for dtype in ("float32", "bfloat16")}
        wrong = []

        def ask(dtype):
            for _ in range(10):
                if not torch.equal(model.logits(ids, dtype=dtype), alone[dtype]):
                    wrong.append(dtype)

        threads = [threading.Thread(target=ask, args=(dtype,)) for dtype in alone]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_single_name_is_a_list_of_one(self):
        with self.assertRaisesRegex(mop.UsageError, "unknown task 'popx'"):
            mop.evaluate_tasks(MODEL, "popx", self.folder)
        with self.assertRaisesRegex(mop.UsageError, "unknown reader 'transformerz'"):
            mop.check(MODEL, readers="transformerz")


if __name__ == "__main__":
    unittest.main()
