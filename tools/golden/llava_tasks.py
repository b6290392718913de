"""A small random LLaVA that has a tokenizer and an image processor, questions with pictures, and what transformers finds
likely: tests/golden/llava_tasks/. Prompts are those of LLaVA-1.5's own evaluation, written here once more.

    .env/reference4/bin/python tools/golden/llava_tasks.py

model/          a checkpoint of transformers 4, with its chat template and its image processor (Pillow)
data/           scienceqa.jsonl and pope.jsonl beside their pictures
expected.json   by task: log-likelihoods of every record's choices
"""

import json
import os
import random
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/golden/llava_tasks"
SIDE, PATCH = 12, 4
TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
SCIENCE = [
    dict(question="Which colour is on the left?", choices=["red", "green", "dark blue"], answer=2, image="first.png"),
    dict(question="What is a solid?", choices=["ice", "steam"], answer=0, hint="Water freezes.", image=None),
    dict(question="Which one is larger?", choices=["a", "b", "c", "none of them"], answer=1, hint="", image="second.jpg"),
    dict(question="Is this a map?", choices=["no", "yes"], answer=0, hint="Look at the lines.", image="third.png"),
]
POPE = [dict(question_id=i, image=image, text=f"Is there a {thing} in the image?", label=label) for i, (image, thing, label)
        in enumerate([("first.png", "dog", "yes"), ("second.jpg", "car", "no"), ("third.png", "car", "yes"),
                      ("first.png", "tree", "no"), ("second.jpg", "person", "yes")])]


def lettered(record):
    context = f"Context: {record['hint']}\n" if record.get("hint") else ""
    options = "".join(f"\n{'ABCDE'[i]}. {choice}" for i, choice in enumerate(record["choices"]))
    return context + record["question"] + options + "\nAnswer with the option's letter from the given choices directly."


def alone(record):
    return (f"Context: {record['hint']}\n" if record.get("hint") else "") + record["question"]


def plain(record):
    options = "".join(f" ({'ABCDE'[i]}) {choice}" for i, choice in enumerate(record["choices"]))
    words = "<image>\n" if record.get("image") else ""
    return f"{words}Question: {record['question']}\nOptions:{options}\nAnswer:"


# Of a task: its records, the question and the answers of each, and whether the chat template writes them.
TASKS = {
    "scienceqa": (SCIENCE, lettered, lambda r: list("ABCDE"[:len(r["choices"])]), True),
    "scienceqa_choices": (SCIENCE, alone, lambda r: r["choices"], True),
    "scienceqa_plain": (SCIENCE, plain, lambda r: list("ABCDE"[:len(r["choices"])]), False),
    "pope": (POPE, lambda r: r["text"] + "\nAnswer the question using a single word or phrase.", lambda r: ["Yes", "No"], True),
    "pope_choices": (POPE, lambda r: r["text"], lambda r: ["yes", "no"], True),
}


def write_data():
    from PIL import Image

    data = OUT / "data"
    data.mkdir(parents=True)
    rng = random.Random(3)
    for name, size in (("first.png", (20, 14)), ("second.jpg", (12, 12)), ("third.png", (13, 31))):
        small = Image.new("RGB", (3, 3))
        small.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(9)])
        small.resize(size, Image.Resampling.BILINEAR).save(data / name)
    for name, records in (("scienceqa", SCIENCE), ("pope", POPE)):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def write_model():
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import (CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration,
                              LlavaProcessor, PreTrainedTokenizerFast)

    texts = [question(record) for records, question, _, _ in TASKS.values() for record in records]
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=380, special_tokens=["<s>", "</s>", "<image>"],
                                                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>",
                                        additional_special_tokens=["<image>"])
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor = LlavaProcessor(images, tokenizer, patch_size=PATCH, vision_feature_select_strategy="default",
                               num_additional_image_tokens=1, chat_template=TEMPLATE)
    torch.manual_seed(11)
    text = LlamaConfig(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                       vocab_size=len(tokenizer), max_position_embeddings=256, rms_norm_eps=1e-5)
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=28, num_hidden_layers=3, num_attention_heads=2,
                              image_size=SIDE, patch_size=PATCH)
    config = LlavaConfig(vision_config=vision.to_dict(), text_config=text.to_dict(), image_token_index=2,
                         image_seq_length=(SIDE // PATCH) ** 2)
    model = LlavaForConditionalGeneration(config).float().eval()
    for parameter in model.parameters():  # that a picture changes what is likely
        parameter.data.mul_(4) if parameter.dim() > 1 else parameter.data.add_(torch.randn_like(parameter) / 8)
    model.save_pretrained(OUT / "model")
    processor.save_pretrained(OUT / "model")
    (OUT / "model/generation_config.json").unlink(missing_ok=True)
    return model, processor


def likelihoods(model, processor, record, question, answers, by_template):
    import torch
    from PIL import Image

    if by_template:
        parts = [{"type": "image"}] if record.get("image") else []
        message = {"role": "user", "content": [*parts, {"type": "text", "text": question}]}
        question = processor.apply_chat_template([message], add_generation_prompt=True)
    pictures = {"images": Image.open(OUT / "data" / record["image"]).convert("RGB")} if record.get("image") else {}
    start = processor(text=question, return_tensors="pt", **pictures)["input_ids"].shape[1]
    sums = []
    for answer in answers:
        inputs = processor(text=f"{question} {answer}", return_tensors="pt", **pictures)
        with torch.no_grad():
            logs = model(**inputs).logits[0].double().log_softmax(-1)
        ids = inputs["input_ids"][0]
        sums.append(sum(logs[t - 1, ids[t]].item() for t in range(start, len(ids))))
    return sums


def main():
    if Path(sys.prefix).name != "reference4":  # the image processor that its class names uses Pillow there
        python = ROOT / ".env/reference4/bin/python"
        os.execv(python, [str(python), __file__])
    shutil.rmtree(OUT, ignore_errors=True)
    write_data()
    model, processor = write_model()
    expected = {task: [likelihoods(model, processor, record, question(record), answers(record), by_template)
                       for record in records] for task, (records, question, answers, by_template) in TASKS.items()}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
