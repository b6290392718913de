#!/usr/bin/env python3
"""The Python package shown pictures: that of PYTHONPATH (build/python), in the reference environment."""

import pathlib
import unittest

import torch  # noqa: F401, what mop is built against comes first

import mop

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEES = ROOT / "tests" / "golden" / "llava_tasks"


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
        with self.assertRaisesRegex(mop.IoError, "no such picture"):
            mop.evaluate_tasks(SEES / "model", ["pope"], SEES / "data", images=SEES / "model")

    def test_folders_of_pictures_are_keys_of_recipes(self):
        dry = mop.dry_run(SEES / "model", calibration=SEES / "data/scienceqa.jsonl", images=SEES / "data",
                          settings={"target.iterations": 1, "select": "path:G", "calibration.samples": 4})
        self.assertEqual(dry["recipe"]["calibration"]["images"], str(SEES / "data"))


if __name__ == "__main__":
    unittest.main(verbosity=1, warnings="ignore")
