"""Trains a small LLaVA: a CLIP-like tower and a projector before the embedded 12-layer language model, on questions
about drawn shapes. It replaces a pretrained model in measurements; its weights are not committed.

    .env/reference/bin/python tools/small_llava.py OUT [--steps 2500] [--pictures 3000]

OUT/model is a LLaVA-1.5 folder. OUT/data has pictures and questions: train.json (conversations with pictures),
text.json (the same questions about scenes described in words), questions.jsonl (text-only questions with choices, for
calibration), scienceqa.jsonl and pope.jsonl (evaluation questions about pictures that are not in the training data).
Cannot be resumed. Same arguments, torch and thread count give the same files.
"""

import argparse
import json
import random
import shutil
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from transformers import (AutoTokenizer, CLIPImageProcessor, CLIPVisionConfig, LlamaForCausalLM, LlavaConfig,
                          LlavaForConditionalGeneration)

ROOT = Path(__file__).resolve().parents[1]
SIDE, PATCH = 32, 8
COLOURS = {"red": (220, 30, 30), "green": (20, 160, 40), "blue": (30, 60, 220), "yellow": (235, 205, 20)}
SHAPES = ("circle", "square", "triangle")
PLACES = {("top", "left"): (2, 2), ("top", "right"): (18, 2), ("bottom", "left"): (2, 18), ("bottom", "right"): (18, 18)}
NUMBERS = ("no", "one", "two", "three")
# LLaVA-1.5's template with lower-case roles, for which the embedded tokenizer has tokens.
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}")


def scene(rng):
    """Returns one to three shapes of different kinds and colours, each in its own corner."""
    count = rng.randint(1, 3)
    return list(zip(rng.sample(SHAPES, count), rng.sample(list(COLOURS), count), rng.sample(list(PLACES), count)))


def draw(things, rng):
    picture = Image.new("RGB", (SIDE, SIDE), tuple(rng.randint(225, 255) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for shape, colour, place in things:
        x, y = (c + rng.randint(-1, 1) for c in PLACES[place])
        size = rng.randint(10, 12)
        ink = tuple(min(255, max(0, c + rng.randint(-15, 15))) for c in COLOURS[colour])
        if shape == "circle":
            pen.ellipse((x, y, x + size, y + size), fill=ink)
        elif shape == "square":
            pen.rectangle((x, y, x + size, y + size), fill=ink)
        else:
            pen.polygon([(x + size // 2, y), (x, y + size), (x + size, y + size)], fill=ink)
    return picture


def told(things):
    return "there is " + " and ".join(f"a {c} {s} at the {p[0]} {p[1]}" for s, c, p in things) + "."


def questions(things, rng):
    """Returns (question, choices, index of the correct one) of every kind."""
    shape, colour, place = rng.choice(things)
    absent = rng.choice([(s, c) for s in SHAPES for c in COLOURS if all((s, c) != thing[:2] for thing in things)])
    yield f"what colour is the {shape}?", list(COLOURS), list(COLOURS).index(colour)
    yield f"which shape is {colour}?", list(SHAPES), SHAPES.index(shape)
    yield "how many shapes are there?", list(NUMBERS[1:]), len(things) - 1
    yield f"is the {shape} on the left or on the right?", ["left", "right"], ("left", "right").index(place[1])
    yield f"is the {shape} at the top or at the bottom?", ["top", "bottom"], ("top", "bottom").index(place[0])
    yield f"is there a {colour} {shape}?", ["yes", "no"], 0
    yield f"is there a {absent[1]} {absent[0]}?", ["yes", "no"], 1


def conversation(name, question, answer, picture=None):
    record = {"id": name, "image": picture} if picture else {"id": name}
    asked = "<image>\n" + question if picture else question
    return {**record, "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]}


def write_data(folder, pictures, seed):
    rng = random.Random(seed)
    (folder / "pictures").mkdir(parents=True)
    files = {name: [] for name in ("train", "text", "questions", "scienceqa", "pope")}
    for i in range(pictures):
        things, name = scene(rng), f"{i:05}"
        file = f"pictures/{name}.png"
        draw(things, rng).save(folder / file)
        held_out = i % 6 == 5
        for kind, (question, choices, right) in enumerate(questions(things, rng)):
            each, story = f"{name}-{kind}", f"{told(things)} {question}"
            yes_no = choices == ["yes", "no"]
            if held_out and yes_no:
                files["pope"].append({"question_id": each, "image": file, "text": question, "label": choices[right]})
            elif held_out:
                files["scienceqa"].append({"id": each, "image": file, "question": question, "choices": choices, "answer": right})
            else:
                files["train"].append(conversation(each, question, choices[right], file))
                files["text"].append(conversation(each, story, choices[right]))
                files["questions"].append({"id": each, "question": story, "choices": choices, "answer": right})
    for name, records in files.items():
        rng.shuffle(records)
        if name in ("train", "text"):
            (folder / f"{name}.json").write_text(json.dumps(records, indent=0) + "\n")
        else:
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return files


def make_model(out):
    source = ROOT / "assets/tinystories-12l"
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.chat_template = TEMPLATE
    image = tokenizer.convert_tokens_to_ids("<image>")
    language = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32)
    language.resize_token_embeddings(image + 8, mean_resizing=False)
    tower = CLIPVisionConfig(hidden_size=96, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4,
                             image_size=SIDE, patch_size=PATCH, projection_dim=96)
    config = LlavaConfig(vision_config=tower.to_dict(), text_config=language.config.to_dict(), image_token_index=image,
                         image_seq_length=(SIDE // PATCH) ** 2)
    model = LlavaForConditionalGeneration(config).float()
    model.model.language_model.load_state_dict(language.model.state_dict())
    model.lm_head.load_state_dict(language.lm_head.state_dict())
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return model, tokenizer, processor


def encode(record, tokenizer, patches):
    """Returns ids and labels: the assistant's turns, including their ends, are learned."""
    asked, answer = (turn["value"] for turn in record["conversations"])
    text = f"user: {asked} assistant:"
    head = tokenizer(text)["input_ids"]
    image = tokenizer.convert_tokens_to_ids("<image>")
    head = [i for token in head for i in ([token] * patches if token == image else [token])]
    tail = tokenizer(" " + answer + " ", add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    return head + tail, [-100] * len(head) + tail


def batch_of(records, pixels, tokenizer, patches):
    rows = [encode(r, tokenizer, patches) for r in records]
    longest = max(len(ids) for ids, _ in rows)
    pad = lambda list, value: list + [value] * (longest - len(list))  # noqa: E731
    batch = dict(input_ids=torch.tensor([pad(ids, 0) for ids, _ in rows]),
                 labels=torch.tensor([pad(labels, -100) for _, labels in rows]),
                 attention_mask=torch.tensor([pad([1] * len(ids), 0) for ids, _ in rows]))
    seen = [pixels[r["image"]] for r in records if "image" in r]
    return {**batch, "pixel_values": torch.stack(seen)} if seen else batch


def train(model, tokenizer, processor, folder, files, steps, seed):
    rng, patches = random.Random(seed), model.config.image_seq_length
    names = sorted({r["image"] for r in files["train"]})
    pixels = {name: processor(Image.open(folder / name), return_tensors="pt")["pixel_values"][0] for name in names}
    new = [p for n, p in model.named_parameters() if "language_model" not in n and "lm_head" not in n]
    old = [p for n, p in model.named_parameters() if "language_model" in n or "lm_head" in n]
    optimizer = torch.optim.AdamW([{"params": new, "lr": 1e-3}, {"params": old, "lr": 2e-4}], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [1e-3, 2e-4], total_steps=steps, pct_start=0.1)
    total = 0.0
    for step in range(1, steps + 1):
        # Trains on questions about pictures and about scenes described in words; the model must answer both.
        records = rng.sample(files["train"], 24) if step % 3 else rng.sample(files["text"], 24)
        loss = model(**batch_of(records, pixels, tokenizer, patches)).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step} of {steps}: loss {total / 100:.3f}", flush=True)
            total = 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    torch.manual_seed(args.seed)
    files = write_data(args.out / "data", args.pictures, args.seed)
    model, tokenizer, processor = make_model(args.out)
    train(model.train(), tokenizer, processor, args.out / "data", files, args.steps, args.seed)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.to(torch.bfloat16).save_pretrained(args.out / "model")
    tokenizer.save_pretrained(args.out / "model")
    processor.save_pretrained(args.out / "model")


if __name__ == "__main__":
    main()
