#!/usr/bin/env python3
"""tests/golden/chat/expected.json: conversations through chat templates (written here, in the styles of known models) by
transformers' apply_chat_template. What a template refuses is recorded as null."""

import json
import pathlib

import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

HOME = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/chat"


def render(tokenizer, template, messages, ask):
    try:
        return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=ask)
    except jinja2.exceptions.TemplateError:
        return None


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    conversations = json.loads((HOME / "conversations.json").read_text())
    golden = {}
    for file in sorted(HOME.glob("*.jinja")):
        golden[file.stem] = [[render(tokenizer, file.read_text(), messages, ask) for ask in (False, True)]
                             for messages in conversations]
    (HOME / "expected.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
