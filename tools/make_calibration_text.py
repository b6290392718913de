#!/usr/bin/env python3
"""src/text/calibration_text.jsonl, the text that `mop prune` calibrates on when none is given: {"text"} a line.

SmolLM2-135M-Instruct (Apache-2.0, by tools/real_model.sh) writes it, so that no licence of a web text comes with it: answers
to requests of many kinds, and documents that begin in many ways. Same seed, torch and transformers: same file.

    .env/reference/bin/python tools/make_calibration_text.py .env/models/smollm2-135m src/text/calibration_text.jsonl
"""
import argparse
import json
import pathlib
import random
import re

import torch
import transformers

TOPICS = """rivers; the printing press; bread; bicycles; the immune system; jazz; earthquakes; chess; solar panels; the Roman Empire; bees;
photosynthesis; tax returns; football; volcanoes; opera; databases; coffee; the Silk Road; tides; vaccines; marathon training; black holes;
gardening in small spaces; the stock market; dinosaurs; sleep; public libraries; glaciers; knitting; electric cars; the French Revolution;
whales; compilers; cheese; bridges; the moon; poetry; plate tectonics; rice; clocks; wolves; antibiotics; theatre; maps; rainforests; inflation;
robots; the alphabet; wine""".replace("\n", " ").split("; ")

REQUESTS = [
    "Write a short encyclopedia article about {}.",
    "Explain {} to a ten-year-old.",
    "Write a newspaper report about {}.",
    "Write a dialogue between two friends who disagree about {}.",
    "Give step-by-step instructions for something to do with {}.",
    "Write a personal letter that mentions {}.",
    "List ten facts about {}, one a line.",
    "Write a forum question about {} and the best answer to it.",
    "Write the first scene of a story about {}.",
    "Write a critical review of a book about {}.",
    "Summarise the history of {} in four paragraphs.",
    "Write a quiz of five multiple-choice questions about {}, with answers.",
    "Write a product description for a shop that sells things to do with {}.",
    "Write an email to a colleague about a meeting on {}.",
    "Work out a small calculation about {} and show every step.",
    "Write a Python program about {} with comments.",
]

BEGINNINGS = [
    "import numpy as np\n\n", "def ", "#include <stdio.h>\n\n", "<!DOCTYPE html>\n<html>\n<head>\n", "SELECT ", "public class ", "{\"name\": \"",
    "# Installation\n\n", "The first time I ", "In 1987, ", "According to a new study, ", "Abstract. ", "Theorem 1. ", "Ingredients:\n",
    "Dear Sir or Madam,\n\n", "Q: ", "Chapter 1\n\n", "Minutes of the meeting of ", "By our correspondent\n\n", "Once upon a time, ",
    "1. Introduction\n\n", "How to ", "The city council ", "When she opened the door, ", "Frequently asked questions\n\n", "Review: ",
    "In mathematics, ", "The species ", "Terms and conditions\n\n", "Let x be ", "He was born in ", "Last night's game ",
]


# Addresses and living people: what a small model says of them is made up.
UNWANTED = re.compile(r"https?:|www\.|@\w+\.\w|\.com\b|Musk|Trump|Obama|Putin|Biden|Gates|Hitler")


def requests(tokenizer, draw):
    for i, topic in enumerate(TOPICS * 2):
        request = REQUESTS[(i * 5 + i // len(TOPICS)) % len(REQUESTS)].format(topic)
        message = [{"role": "user", "content": request}]
        yield "", tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    for beginning in draw.sample(BEGINNINGS, len(BEGINNINGS)) * 2:
        yield beginning, "<|endoftext|>" + beginning


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=320)
    parser.add_argument("--batch", type=int, default=41)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    transformers.set_seed(args.seed)
    draw = random.Random(args.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model, padding_side="left", pad_token="<|endoftext|>")
    tokenizer.chat_template = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
                               "<|im_start|>assistant\n")
    model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    prompts = list(requests(tokenizer, draw))
    draw.shuffle(prompts)
    texts = []
    for first in range(0, len(prompts), args.batch):
        part = prompts[first : first + args.batch]
        inputs = tokenizer([prompt for _, prompt in part], return_tensors="pt", padding=True, add_special_tokens=False)
        made = model.generate(**inputs, max_new_tokens=args.tokens, do_sample=True, temperature=0.9, top_k=64, top_p=1.0,
                              eos_token_id=[0, 2], pad_token_id=0)
        for (beginning, _), ids in zip(part, made[:, inputs["input_ids"].shape[1] :]):
            texts.append(beginning + tokenizer.decode(ids, skip_special_tokens=True).strip())
        print(f"{len(texts)} of {len(prompts)}", flush=True)
    with open(args.out, "w", encoding="utf-8") as file:
        for text in texts:
            if len(text) > 200 and not UNWANTED.search(text):
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
