"""tools/check_layers.py must see every kind of breach it promises to see, and accept a clean tree."""

import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("check_layers", ROOT / "tools" / "check_layers.py")
check_layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_layers)

TABLE = """
| room | what lives there | may include (besides itself) |
|---|---|---|
| low | one | - |
| high | two | low |
"""
MODULES = "mop_module(low)\nmop_module(high DEPS low LINK something)\n"


class CheckLayers(unittest.TestCase):
    def breaches(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            tree = {"ARCHITECTURE.md": TABLE, "src/CMakeLists.txt": MODULES, "src/low/a.h": "", "src/high/b.h": ""}
            for name, text in (tree | files).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return "\n".join(check_layers.check(root))

    def test_a_clean_tree_has_none(self):
        self.assertEqual(self.breaches({"src/high/b.cc": '#include "low/a.h"\n#include "high/b.h"\n'}), "")

    def test_an_include_against_the_arrows(self):
        self.assertIn("low may not include high", self.breaches({"src/low/a.cc": '#include "high/b.h"\n'}))

    def test_an_include_by_a_relative_path(self):
        self.assertIn("is not a file of src/", self.breaches({"src/low/a.cc": '#include "a.h"\n'}))

    def test_a_room_that_is_not_in_the_table(self):
        self.assertIn("room 'attic' is not in", self.breaches({"src/attic/c.h": ""}))

    def test_deps_that_differ_from_the_table(self):
        self.assertIn("high has low in the table only",
                      self.breaches({"src/CMakeLists.txt": "mop_module(low)\nmop_module(high)\n"}))

    def test_an_arrow_that_points_forward(self):
        self.assertIn("stands below it", self.breaches({"ARCHITECTURE.md": TABLE.replace("one | -", "one | high")}))

    def test_a_header_that_is_too_long(self):
        self.assertIn("151 lines, at most 150", self.breaches({"src/low/a.h": "\n" * 151}))

    def test_a_function_that_is_too_long(self):
        body = "int f(int x) {\n" + "  ++x;\n" * 59 + "}\n"
        self.assertIn("src/low/a.cc:1: 61 lines, at most 60: int f(int x) {", self.breaches({"src/low/a.cc": body}))

    def test_a_reader_past_the_limits(self):
        self.assertIn("src/low/a.cc: parses past the limits of base/parse_json.cc",
                      self.breaches({"src/low/a.cc": "auto x = nlohmann::json::parse(text);\n"}))
        self.assertIn("past the limits of base/json.cc", self.breaches({"src/low/a.cc": "YAML::Load(text);\n"}))

    def test_a_long_table_in_a_function_is_no_breach(self):
        body = "T f() {\n  return {\n" + "    {1, 2},\n" * 70 + "  };\n}\n"
        self.assertEqual(self.breaches({"src/low/a.cc": body}), "")


if __name__ == "__main__":
    unittest.main()
