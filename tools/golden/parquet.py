"""Small Parquet files and what their rows are: tests/golden/parquet. Made and read by pyarrow (.env/arrow).

A row is compared as a JSON object without the fields that are null.
"""
import datetime
import decimal
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / ".env/arrow"))
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

HOME = ROOT / "tests/golden/parquet"


def message(role, content, **more):
    return {"role": role, "content": content} | more


MESSAGES = [{"messages": [message("user", "Hi\n\u00e9"), message("assistant", "Ho \U0001F600", weight=0)], "id": 1},
            {"messages": [message("system", "Be kind."), message("user", "Why?")], "id": 2},
            {"messages": [], "id": None}]
ALPACA = [{"instruction": "Add.", "input": "1 2", "output": "3"}, {"instruction": "Sing.", "input": None, "output": "la"}]
TEXTS = [{"text": f"line {i} of \"many\" words\t"} for i in range(50)]


def tables():
    yield "snappy-text", pa.Table.from_pylist(TEXTS), {"compression": "snappy", "row_group_size": 7}
    yield "zstd-messages", pa.Table.from_pylist(MESSAGES), {"compression": "zstd"}
    yield "gzip-alpaca", pa.Table.from_pylist(ALPACA), {"compression": "gzip", "data_page_version": "2.0"}
    kinds = pa.table({
        "dictionary": pa.array(["a", "b", "a", None]).dictionary_encode(), "large": pa.array(["x", "", None, "z"], pa.large_string()),
        "int8": pa.array([-1, 0, None, 127], pa.int8()), "uint64": pa.array([0, 1, 2, 2**64 - 1], pa.uint64()),
        "half": pa.array([0.5, None, -2, 1], pa.float16()), "float": pa.array([0.1, 1, None, -1e30], pa.float32()),
        "double": pa.array([0.1, 1e300, -0.5, None]), "bool": pa.array([True, False, None, True]),
        "day": pa.array([datetime.date(2024, 2, 29), None, None, datetime.date(1, 1, 1)]),
        "time": pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5, 6000), None, None, None], pa.timestamp("ms")),
        "price": pa.array([decimal.Decimal("1.50"), None, None, decimal.Decimal("-0.25")], pa.decimal128(5, 2)),
        "lists": pa.array([[[1], [2, 3]], [], None, [[]]], pa.list_(pa.list_(pa.int64()))),
        "pair": pa.array([[1.5, 2.5], None, None, [0, 1]], pa.list_(pa.float64(), 2)),
        "map": pa.array([[("k", 1)], [], None, [("a", 1), ("b", 2)]], pa.map_(pa.string(), pa.int32())),
        "choices": pa.array([{"text": ["no", "yes"], "label": ["A", "B"]}, None, {"text": [], "label": None}, None]),
    })
    yield "kinds", kinds, {"compression": "none"}
    yield "lz4-text", pa.table({"text": ["a"] * 30}), {"compression": "lz4"}
    yield "task", pa.Table.from_pylist([{"goal": "Open a jar", "sol1": "Twist the lid", "sol2": "Eat the lid", "label": 0},
                                        {"goal": "Dry hair", "sol1": "Use water", "sol2": "Use a towel", "label": 1}]), {}


def as_json(value):
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items() if v is not None}
    if isinstance(value, list) and value and all(isinstance(v, tuple) for v in value):
        return {k: as_json(v) for k, v in value}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "milliseconds")
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return str(value)
    return value


def main():
    HOME.mkdir(exist_ok=True)
    expected = {"made_by": f"pyarrow {pa.__version__}"}
    for name, table, options in tables():
        pq.write_table(table, HOME / f"{name}.parquet", **options)
        expected[name] = [as_json(row) for row in pq.read_table(HOME / f"{name}.parquet").to_pylist()]
        for row in expected[name]:  # an empty map is an empty list to Python
            if name == "kinds" and row.get("map") == []:
                row["map"] = {}
    (HOME / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
