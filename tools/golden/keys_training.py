#!/usr/bin/env python3
"""tests/golden/keys/training_record.json and training_message.json: the keys that the authors of data forms document.
Their documentation is prose, so this list is written by hand; beside each form stands where it is described."""

import json
import pathlib

HOME = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/keys"
RECORDS = {
    "OpenAI, supervised fine-tuning, vision and preference data": [
        "messages", "tools", "parallel_tool_calls", "functions", "function_call", "input", "preferred_output",
        "non_preferred_output", "prompt", "completion"],
    "TRL, docs/source/dataset_formats.md": [
        "text", "messages", "prompt", "completion", "chosen", "rejected", "label", "completions", "image", "images",
        "tools", "chat_template_kwargs"],
    "LLaMA-Factory, data/README.md and src/llamafactory/data/parser.py": [
        "instruction", "input", "output", "system", "history", "conversations", "tools", "images", "videos", "audios",
        "chosen", "rejected", "kto_tag"],
    "Stanford Alpaca": ["instruction", "input", "output", "text"],
    "ShareGPT": ["id", "conversations"],
    "UltraChat": ["prompt", "prompt_id", "messages"],
}
MESSAGES = {
    "OpenAI, chat.completions messages and fine-tuning's weight": [
        "role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio", "annotations",
        "weight"],
    "transformers, chat templating": ["reasoning_content", "reasoning", "thinking"],
    "ShareGPT": ["from", "value"],
    "Ollama": ["images"],
}


def write(name, forms):
    keys = sorted({key for keys in forms.values() for key in keys})
    (HOME / f"{name}.json").write_text(json.dumps({"source": "; ".join(forms), "keys": keys}, indent=1) + "\n")


if __name__ == "__main__":
    write("training_record", RECORDS)
    write("training_message", MESSAGES)
