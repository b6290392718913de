#!/usr/bin/env python3
"""The first steps of LoRA by peft and transformers' Trainer -> tests/golden/recovery/RULE.json.

Run once per accumulation rule, in an environment that has peft and a transformers of that rule:
  samples  transformers 4.45.2, peft 0.13.2, accelerate 1.0.1, tokenizers 0.20.3 (means of micro-batch means)
  tokens   the reference environment (one mean over all tokens of a step)
Float32, dropout off, samples in file order. The records are made from our own generated stories. First values of
the factors A are those of src/recovery/methods.cc, whose generator is written out here a second time.
"""
import argparse
import json
import math
import pathlib

import numpy
import peft
import sentencepiece
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "golden" / "recovery"
MODEL = ROOT / "assets" / "tinystories-12l"
# 46 records and steps of 4: both rules meet an epoch's end in the middle of a step.
RECORDS, ACCUMULATE, STEPS, EPOCHS, SEED = 46, 4, 20, 2, 7
RANK, ALPHA, RATE = 32, 10, 3e-4
# The order of Role in src/model/family.h, as far as a LLaMA without biases has them.
ROLES = {"q_proj": 1, "k_proj": 3, "v_proj": 5, "o_proj": 7, "gate_proj": 12, "up_proj": 14, "down_proj": 16}
NUM_ROLES = 18

INTRO = "Below is an instruction that describes a task"
WITH_INPUT = (INTRO + ", paired with an input that provides further context. Write a response that appropriately "
              "completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n")
WITHOUT_INPUT = (INTRO + ". Write a response that appropriately completes the request.\n\n### Instruction:\n"
                 "{instruction}\n\n### Response:\n")


def make_records():
    """Stories cut in two: every third one without an input."""
    records = []
    for number, story in enumerate((ROOT / "assets/text/generated-calibration.txt").read_text().splitlines()):
        sentences = story.split(". ")
        if len(sentences) < 4 or len(records) == RECORDS:
            continue
        begin, rest = sentences[0] + ".", ". ".join(sentences[1 : 3 + number % 4]) + "."
        if number % 3 == 0:
            records.append({"instruction": "tell a story that begins so: " + begin, "input": "", "output": rest})
        else:
            records.append({"instruction": "go on with the story", "input": begin, "output": rest})
    (FOLDER / "records.json").write_text(json.dumps(records, indent=1) + "\n")


def tokenize(records):
    sp = sentencepiece.SentencePieceProcessor(model_file=str(MODEL / "tokenizer.model"))
    samples = []
    for record in records:
        prompt = [sp.bos_id()] + sp.encode((WITH_INPUT if record["input"] else WITHOUT_INPUT).format(**record))
        answer = sp.encode(record["output"]) + [sp.eos_id()]
        samples.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return samples


def uniform(seed, stream, count):
    """src/base/random.h: SplitMix64, 53 bits of each."""
    mask = (1 << 64) - 1
    state = (seed ^ (stream * 0xDA942042E4DD58B5)) & mask
    with numpy.errstate(over="ignore"):
        steps = numpy.arange(2, count + 2, dtype=numpy.uint64)  # the first number is thrown away
        z = numpy.uint64(state) + steps * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53


def make_model():
    base = transformers.AutoModelForCausalLM.from_pretrained(MODEL, torch_dtype=torch.float32)
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=list(ROLES),
                             task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if ".lora_A." not in name:
            continue
        parts = name.split(".")
        stream = int(parts[parts.index("layers") + 1]) * NUM_ROLES + ROLES[parts[parts.index("lora_A") - 1]]
        bound = 1 / math.sqrt(parameter.shape[1])
        values = (2 * uniform(SEED, stream, parameter.numel()) - 1) * bound
        parameter.data = torch.from_numpy(values.astype(numpy.float32)).view_as(parameter)
    return model


class Recorder(transformers.Trainer):
    """Keeps what the log would round."""

    steps = []

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def _maybe_log_save_evaluate(self, tr_loss, grad_norm, *args, **kwargs):
        # It is also called between the steps, at an epoch's end.
        if self.state.global_step > len(self.steps):
            self.steps.append({"loss": tr_loss.item(), "gradient_norm": float(grad_norm),
                               "learning_rate": self.optimizer.param_groups[0]["lr"]})
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, **kwargs)


def collate(samples):
    (sample,) = samples
    batch = {key: torch.tensor([sample[key]]) for key in ("input_ids", "labels")}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    return batch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rule", choices=["samples", "tokens"])
    parser.add_argument("--work", default="/tmp/golden_recovery", help="folder that the Trainer may write to")
    args = parser.parse_args()
    old = tuple(map(int, transformers.__version__.split(".")[:2])) <= (4, 45)
    if old != (args.rule == "samples"):
        raise SystemExit(f"transformers {transformers.__version__} does not follow the rule '{args.rule}'")
    torch.set_num_threads(2)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "records.json").exists():
        make_records()
    samples = tokenize(json.loads((FOLDER / "records.json").read_text()))
    arguments = transformers.TrainingArguments(
        output_dir=args.work, per_device_train_batch_size=1, gradient_accumulation_steps=ACCUMULATE,
        num_train_epochs=EPOCHS, learning_rate=RATE, lr_scheduler_type="linear", warmup_steps=0, weight_decay=0.0,
        max_grad_norm=1.0, optim="adamw_torch", logging_steps=1, save_strategy="no", report_to=[], use_cpu=True,
        remove_unused_columns=False, disable_tqdm=True)
    trainer = Recorder(model=make_model(), args=arguments, train_dataset=samples, data_collator=collate)
    trainer.train()
    golden = {
        "made_by": {"transformers": transformers.__version__, "peft": peft.__version__},
        "rule": args.rule, "accumulate": ACCUMULATE, "epochs": EPOCHS, "seed": SEED, "rank": RANK, "alpha": ALPHA,
        "learning_rate": RATE, "total_steps": trainer.state.max_steps,
        "tokens_of_samples": [len(sample["input_ids"]) for sample in samples],
        "first_sample": samples[0], "steps": Recorder.steps[:STEPS],
    }
    (FOLDER / f"{args.rule}.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(json.dumps(golden["steps"][:3], indent=1), golden["total_steps"])


if __name__ == "__main__":
    main()
