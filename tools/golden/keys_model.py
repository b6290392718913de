"""Every key that transformers 4 and 5 and PEFT define for a model's JSON files, and what a config means that leaves one out:
tests/golden/keys/{config,composite,generation_config,adapter_config,left_out}.json

    .env/reference/bin/python tools/golden/keys_model.py
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import peft

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/golden/keys"
SCRIPT = ROOT / "tools/golden/transformers4/config_keys.py"
# What files have and no class declares: PretrainedConfig takes any, these by name in its code.
BY_NAME = {"config": ["auto_map", "quantization_config", "torch_dtype", "partial_rotary_factor",
                      "original_max_position_embeddings", "per_layer_config",
                      "allow_global_per_layer_attribute_access", "serialize_explicit_per_layer_config"]}


def ask(python, script=SCRIPT):
    return json.loads(subprocess.run([python, script], check=True, stdout=subprocess.PIPE).stdout)


def write(name, source, **content):
    text = json.dumps({"source": source, **content}, indent=1)
    (OUT / f"{name}.json").write_text(text + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    answers = [ask(sys.executable), ask(ROOT / ".env/reference4/bin/python")]
    source = "transformers " + " and ".join(a["transformers"] for a in answers)
    for name in ("config", "composite", "generation_config"):
        keys = set().union(*(a[name] for a in answers), BY_NAME.get(name, []))
        write(name, source, keys=sorted(keys))
    new, old = (a["left_out"] for a in answers)
    differing = [f"{family}.{key}" for family in new for key in new[family] if new[family][key] != old[family][key]]
    print("the two versions differ in:", differing or "nothing")
    write("left_out", f"transformers {answers[0]['transformers']}", families=new)
    fields = [f.name for f in dataclasses.fields(peft.LoraConfig)]
    write("adapter_config", f"peft {peft.__version__}", keys=sorted(fields))


if __name__ == "__main__":
    main()
