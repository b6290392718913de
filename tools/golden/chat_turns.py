#!/usr/bin/env python3
"""tests/golden/chat/turns.json and generate.json, from transformers.
  turns.json     conversations as token ids and the tokens that the assistant says, by apply_chat_template with
                 return_assistant_tokens_mask, for templates (written here) with `generation` blocks and two tokenizers
  generate.json  what the demo model answers to messages, greedily: apply_chat_template, then generate; with
                 transformers 4's slow tokenizer, which reads the model's SentencePiece file as it is"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "tests/golden/chat"
TEMPLATES = {
    "plain": "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{% generation %}"
             "{{ m.content + '<|im_end|>\\n' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}"
             "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "last turn thinks": "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}"
                        "{% generation %}{% if loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
                        "{{ m.content + '<|im_end|>\\n' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>\\n' }}"
                        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "brackets": "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST] ' }}{% elif m.role == "
                "'assistant' %}{% generation %}{{ m.content + '</s>' }}{% endgeneration %}{% endif %}{% endfor %}",
}
# No answer begins with white space: transformers finds no token for its place, and gives up.
CHATS = [
    [("user", "Hello"), ("assistant", "Hi!\n\nHow are you?  "), ("user", "Fine\n"), ("assistant", "Good.")],
    [("user", "Écris 你好"), ("assistant", "oui 🙂\n\n"), ("user", "x"), ("assistant", "y"), ("user", "1 2 3"),
     ("assistant", "def f(x):\n    return x\n")],
    [("system", "Be kind."), ("user", "a"), ("assistant", "It's 3.14, isn't it?")],
]
# Of the demo model, in generate.json: {messages, template}.
STORY = ("{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
         "{% if add_generation_prompt %}assistant:{% endif %}")


def messages_of(chat):
    return [{"role": role, "content": content} for role, content in chat]


def turns():
    from transformers import PreTrainedTokenizerFast

    golden = []
    for style in ("qwen2-style", "llama3-style"):
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(HOME.parent / "tokenizers" / style / "tokenizer.json"))
        for name, template in TEMPLATES.items():
            for chat in CHATS:
                out = tokenizer.apply_chat_template(messages_of(chat), chat_template=template, return_dict=True,
                                                    return_assistant_tokens_mask=True)
                assert sum(out["assistant_masks"]) > 0
                golden.append({"tokenizer": style, "template": template, "messages": messages_of(chat),
                               "ids": out["input_ids"], "learned": out["assistant_masks"]})
    (HOME / "turns.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")


def generate():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ROOT / "assets/tinystories-12l"
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    golden = {"template": STORY, "cases": []}
    for chat in [[("user", "Who lived in the wood?")],
                 [("system", "You tell stories."), ("user", "Tom saw a red ball.")],
                 [("user", "Hi"), ("assistant", "Hello."), ("user", "What did the fox do?")]]:
        prompt = tokenizer.apply_chat_template(messages_of(chat), chat_template=STORY, tokenize=False,
                                               add_generation_prompt=True)
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        out = model.generate(**ids, max_new_tokens=24, do_sample=False)[0, ids["input_ids"].shape[1]:]
        golden["cases"].append({"messages": messages_of(chat), "prompt": prompt, "ids": out.tolist()})
    (HOME / "generate.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    import transformers

    if int(transformers.__version__.split(".")[0]) >= 5:
        turns()
        sys.exit(subprocess.call([ROOT / ".env/reference4/bin/python", __file__]))
    generate()
