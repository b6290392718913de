#!/usr/bin/env python3
"""The last line of ./run test counts every program's cases and names what was skipped."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from test_summary import summary

LOG = """[  PASSED  ] 29 tests.
../tests/golden/x_test.cc:62: Skipped
skipped: no test data
[  SKIPPED ] A.B (0 ms)
[  PASSED  ] 1 test.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] A.B
[  PASSED  ] 3 tests.
[  FAILED  ] 2 tests, listed below:
[  FAILED  ] C.D
[  FAILED  ] C.E
"""

found = summary(LOG)
expected = ["1 cases skipped: no test data", "33 cases passed, 2 failed, 1 skipped"]
sys.exit(0 if found == expected else f"found {found}, expected {expected}")
