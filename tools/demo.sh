#!/usr/bin/env bash
# The main job on the embedded model: 40% of the block parameters go; what is left, and what that costs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
model=assets/tinystories-12l
text=assets/text/generated-evaluation.txt
out="${1:-runs/demo}"

title() { printf '\n== %s\n' "$*"; }

title "the dense model"
./mop inspect "$model"
title "pruning it to 60% of its blocks' parameters -> $out"
./mop prune "$model" --recipe recipes/demo.yaml --out "$out" --force
title "the pruned model"
./mop inspect "$out"
title "perplexity on $text, one story a line: dense, then pruned"
./mop eval "$model" --text "$text" --protocol lines
./mop eval "$out" --text "$text" --protocol lines
title "a story by the pruned model"
./mop generate "$out" --prompt "once upon a time" --max-new-tokens 60
printf '\nThe checkpoint is in %s, how it came about in %s/run. No recovery training was done.\n' "$out" "$out"
