"""Results of the steps on a GPU: one JSON object per line, keyed by (step, commit, card)."""
import json


def key_of(result):
    return result["step"], result["commit"], result["card"]


def load(*files):
    """Reads all results in the existing files, in order; ignores truncated lines."""
    results = []
    for file in files:
        if not file.exists():
            continue
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                result = json.loads(line)
                key_of(result)
            except (ValueError, KeyError, TypeError):
                continue
            if result not in results:
                results.append(result)
    return results


def write(file, results):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")


def append(file, result):
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(result) + "\n")


def is_done(results, step, commit, card):
    """Returns whether the step ended well for this commit and card."""
    return any(key_of(r) == (step, commit, card) and r["status"] == "ok" for r in results)


def latest(results):
    """Returns {step: its last result}. A result that ended well is not replaced by a later failure with the same key."""
    found = {}
    for result in results:
        before = found.get(result["step"])
        worse = before and key_of(before) == key_of(result) and before["status"] == "ok" != result["status"]
        if not worse:
            found[result["step"]] = result
    return found
