"""tools/convert_task_parquet.py gives back the records that a parquet file was made of, for every task.

Runs in lm_eval's environment, which has pyarrow (made when it is missing).
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "golden"))
import tasks as reference  # noqa: E402

CONVERTER = ROOT / "tools" / "convert_task_parquet.py"
DATA = ROOT / "tests" / "golden" / "tasks" / "data"


def records_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def write_parquet(records, file):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), file)
    return file


def convert(*args):
    return subprocess.run([sys.executable, CONVERTER, *map(str, args)], capture_output=True, text=True)


class ConvertTaskParquet(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def test_every_task_round_trips_from_several_files(self):
        for task, (_, name, split) in reference.TASKS.items():
            with self.subTest(task=task):
                records = records_of(DATA / name)
                half = len(records) // 2
                parts = [write_parquet(part, self.folder / f"{split}-{task}-0000{i}-of-00002.parquet")
                         for i, part in enumerate((records[:half], records[half:]))]
                done = convert(task, *parts, "--out", self.folder / "out")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(records_of(self.folder / "out" / name), records)

    def test_the_split_can_be_said(self):
        file = write_parquet([{"text": "one two"}], self.folder / "data.parquet")
        done = convert("lambada_openai", file, "--split", "test", "--out", self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(records_of(self.folder / "lambada-openai-test.jsonl"), [{"text": "one two"}])

    def test_a_name_without_a_split_is_refused(self):
        file = write_parquet([{"text": "one two"}], self.folder / "data.parquet")
        done = convert("lambada_openai", file, "--out", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--split train|validation|test", done.stderr)

    def test_missing_fields_are_all_named_and_nothing_is_left_behind(self):
        file = write_parquet([{"goal": "x", "sol1": "y"}], self.folder / "validation.parquet")
        done = convert("piqa", file, "--out", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the file has no sol2, label", done.stderr)
        self.assertFalse((self.folder / "piqa-validation.jsonl").exists())


if __name__ == "__main__":
    reference.enter_environment()
    unittest.main()
