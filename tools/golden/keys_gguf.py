"""tests/golden/keys/gguf.json: the metadata keys of GGUF files, as the package `gguf` lists them."""

import inspect
import json
import pathlib

import gguf
from gguf.constants import Keys

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "keys"


def keys_of(group):
    for name, value in inspect.getmembers(group):
        if inspect.isclass(value) and not name.startswith("_"):
            yield from keys_of(value)
        elif isinstance(value, str) and not name.startswith("_"):
            yield value.replace("{id}", "0").replace("{name}", "tool_use").replace("{dense}", "dense_2")


def main():
    OUT.mkdir(exist_ok=True)
    from importlib.metadata import version
    schema = {"source": f"gguf {version('gguf')}: gguf.constants.Keys", "keys": sorted(set(keys_of(Keys)))}
    (OUT / "gguf.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main()
