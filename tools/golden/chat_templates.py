#!/usr/bin/env python3
"""tests/golden/chat: what transformers' apply_chat_template makes of
  expected.json        conversations through chat templates (written here, in the styles of known models)
  jinja_expected.json  the small templates of jinja.json, one construct each, over the first conversation of
                       jinja_chat.json: [text, [[begin, end] of what `generation` marks, in characters]]
What a template refuses is recorded as null."""

import datetime
import json
import pathlib

import jinja2
import transformers.utils.chat_template_utils as chat_utils
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

HOME = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/chat"


class FixedTime(chat_utils.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(1750000000, datetime.timezone.utc)


def render_small(template, chat):
    try:
        texts, marks = chat_utils.render_jinja_template(
            [chat["messages"]], tools=chat["tools"], chat_template=template, add_generation_prompt=True,
            return_assistant_tokens_mask=True, bos_token="<s>", eos_token="</s>")
        return [texts[0], marks[0]]
    except Exception:  # jinja2's errors, and those of the Python that it runs
        return None


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
    chat_utils.datetime = FixedTime
    chat = json.loads((HOME / "jinja_chat.json").read_text())
    small = [render_small(template, chat) for template in json.loads((HOME / "jinja.json").read_text())]
    (HOME / "jinja_expected.json").write_text(json.dumps(small, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
