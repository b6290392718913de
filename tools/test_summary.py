#!/usr/bin/env python3
"""Counts the GoogleTest cases in ctest's log: passed, failed, and each skipped one with its reason.

  tools/test_summary.py build/Testing/Temporary/LastTest.log
"""
import re
import sys


def summary(log):
    """Returns the summary of a log: skipped cases by reason, then one line of totals."""
    passed = sum(map(int, re.findall(r"^\[  PASSED  \] (\d+) tests?\.", log, re.M)))
    failed = sum(map(int, re.findall(r"^\[  FAILED  \] (\d+) tests?, listed below", log, re.M)))
    reasons = {}
    for reason in re.findall(r": Skipped\n(.+)\n", log):
        reasons[reason] = reasons.get(reason, 0) + 1
    lines = [f"{count} cases {reason}" for reason, count in reasons.items()]
    skipped = sum(reasons.values())
    return [*lines, f"{passed} cases passed, {failed} failed, {skipped} skipped"]


if __name__ == "__main__":
    print("\n".join(summary(open(sys.argv[1], errors="replace").read())))
