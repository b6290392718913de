#!/usr/bin/env python3
"""Models that see, through the Python package: that of PYTHONPATH (build/python), in the reference environment."""

import pathlib
import unittest

SEES = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "llava_tasks"

import torch  # noqa: E402

import mop  # noqa: E402

torch.set_num_threads(1)


class Pictures(unittest.TestCase):
    def test_a_picture_is_shown_in_a_prompt_and_before_a_message(self):
        picture = SEES / "data/first.png"
        asked = mop.generate(SEES / "model", "Is there a dog?", images=[picture], chat=True, max_new_tokens=3)
        self.assertEqual(asked["prompt"], "USER: <image>\nIs there a dog? ASSISTANT:")
        plain = mop.generate(SEES / "model", asked["prompt"], images=[picture], max_new_tokens=3)
        self.assertEqual(plain["ids"], asked["ids"])
        with self.assertRaisesRegex(mop.BadInputError, "no image token"):
            mop.generate(SEES / "model", "no place", images=[picture])

    def test_tasks_look_pictures_up_in_their_folder(self):
        beside = mop.evaluate_tasks(SEES / "model", ["pope"], SEES / "data")
        elsewhere = mop.evaluate_tasks(SEES / "model", ["pope"], SEES / "data", images=SEES / "data")
        self.assertEqual(beside["results"], elsewhere["results"])
        with self.assertRaisesRegex(mop.IoError, "no such image"):
            mop.evaluate_tasks(SEES / "model", ["pope"], SEES / "data", images=SEES / "model")


if __name__ == "__main__":
    unittest.main()
