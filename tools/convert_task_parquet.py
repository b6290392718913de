#!/usr/bin/env python3
"""Converts the Hub's parquet files of the zero-shot tasks to the jsonl files that `mop eval --tasks` reads.

    tools/convert_task_parquet.py arc_easy test-00000-of-00001.parquet --out data/

writes data/arc-easy-test.jsonl. Several parquet files of one split are concatenated in the given order. The split is
taken from the file names unless --split is given. Needs pyarrow (.env/lm_eval has it).
"""
import argparse
import json
import pathlib
import re
import sys

# Task: prefix of the file name, required fields of a record.
TASKS = {
    "arc_easy": ("arc-easy", ["question", "choices", "answerKey"]),
    "arc_challenge": ("arc-challenge", ["question", "choices", "answerKey"]),
    "piqa": ("piqa", ["goal", "sol1", "sol2", "label"]),
    "hellaswag": ("hellaswag", ["activity_label", "endings", "label"]),
    "winogrande": ("winogrande", ["sentence", "option1", "option2", "answer"]),
    "boolq": ("boolq", ["question", "passage", "label"]),
    "openbookqa": ("openbookqa", ["question_stem", "choices", "answerKey"]),
    "lambada_openai": ("lambada-openai", ["text"]),
    "wikitext": ("wikitext", ["page"]),
}


def split_of(files):
    found = {match[0] for match in (re.search("train|validation|test", file.name) for file in files) if match}
    if len(found) != 1:
        sys.exit("error: the file names do not name exactly one split\n  hint:  --split train|validation|test")
    return found.pop()


def records(files, fields):
    import pyarrow.parquet

    for file in files:
        table = pyarrow.parquet.read_table(file)
        missing = [field for field in fields if field not in table.column_names]
        if missing:
            sys.exit(f"error: the file has no {', '.join(missing)}\n  file:  {file}\n  it has: {', '.join(table.column_names)}")
        yield from table.to_pylist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--split")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    args = parser.parse_args()
    name, fields = TASKS[args.task]
    target = args.out / f"{name}-{args.split or split_of(args.files)}.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    count = 0
    unfinished = target.with_name(target.name + ".part")
    try:
        with open(unfinished, "w", encoding="utf-8") as out:
            for record in records(args.files, fields):
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
                count += 1
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"{target}: {count} records")


if __name__ == "__main__":
    main()
