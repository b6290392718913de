"""Every key that transformers 4 and 5 define for image processors and CLIP's vision tower:
tests/golden/keys/{preprocessor_config,vision_config}.json

    .env/reference/bin/python tools/golden/keys_vision.py
"""

import sys

from keys_model import ROOT, ask, write

SCRIPT = ROOT / "tools/golden/transformers4/vision_keys.py"


def main():
    answers = [ask(python, SCRIPT) for python in (sys.executable, ROOT / ".env/reference4/bin/python")]
    source = "transformers " + " and ".join(a["transformers"] for a in answers)
    for name in ("preprocessor_config", "vision_config"):
        write(name, source, keys=sorted(set().union(*(a[name] for a in answers))))
        print(name)


if __name__ == "__main__":
    main()
