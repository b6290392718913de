#!/bin/bash
# peft loads the adapter of a recovered model on the pruned checkpoint, with the logits of the merged one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=.env/reference/bin/python
[ -e .env/reference/.ready ] || { echo "the reference environment is missing: ./run setup --reference"; exit 1; }
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mop=${MOP_BUILD:-build}/src/mop
"$mop" prune assets/tinystories-12l --out "$work/pruned" --calibration assets/text/generated-calibration.txt \
  --samples 8 --max-tokens 48 --iterations 2 --select path:LG
# Merging into bfloat16 would round: the adapter is compared on a float32 copy.
"$python" - "$work" <<'END'
import pathlib, shutil, sys, torch, transformers
work = pathlib.Path(sys.argv[1])
transformers.AutoModelForCausalLM.from_pretrained(work / "pruned", dtype=torch.float32).save_pretrained(work / "base")
for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
    shutil.copy(work / "pruned" / name, work / "base" / name)
END
"$mop" recover "$work/base" --data assets/text/generated-calibration.txt --out "$work/out" --tokens 2000 --max-tokens 64 \
  --set accumulate=2 --set learning_rate=3e-3 --set validation.samples=0
"$python" - "$work" <<'END'
import pathlib, sys, peft, torch, transformers
work = pathlib.Path(sys.argv[1])
load = lambda folder: transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
torch.manual_seed(0)
ids = torch.randint(3, 2000, (2, 40))
with torch.no_grad():
    base, merged = load(work / "base")(ids).logits, load(work / "out")(ids).logits
    beside = peft.PeftModel.from_pretrained(load(work / "base"), work / "out" / "adapter").eval()(ids).logits
scale = base.abs().max()
off, moved = ((merged - beside).abs().max() / scale).item(), ((beside - base).abs().max() / scale).item()
print(f"merged against the adapter {off:.1e}, the adapter against its base {moved:.1e}")
assert off < 1e-4 and moved > 1e-2
END
