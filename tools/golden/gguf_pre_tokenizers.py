"""tests/golden/tokenizers/gguf-pre.json: what llama.cpp makes of the texts of nasty.jsonl by each of its pre-tokenizers.

One byte-level vocabulary for all of them, trained without cutting words at all, so that its merges cross every border that
a pre-tokenizer draws: another cut gives other ids. Per text the different lists of ids, and per name which of them it gives.
"""

import json
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "readers"))
from llama_cpp import LlamaCpp  # noqa: E402

TOKENIZERS = ROOT / "tests" / "golden" / "tokenizers"
VOCAB = 1000
# Every name that llama.cpp knows for a vocabulary in the byte alphabet; those of a build that is older are left out.
NAMES = """default llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano deepseek-llm deepseek-coder
deepseek-v3 spark2_5 youtu falcon mpt starcoder gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum
modern-bert jais-2 refact command-r qwen2 deepseek-r1-qwen kormo f2llmv2 qwen35 stablelm2 olmo dbrx smaug-bpe poro-chat glm4
chatglm-bpe viking jais tekken smollm codeshell bloom gpt3-finnish exaone exaone4 exaone-moe chameleon minerva-7b megrez
gpt-4o llama4 kanana2 talkie granite-embed-multi-97m tiny_aya cohere2moe superbpe trillion granite-docling bailingmoe
bailingmoe2 llada-moe seed-coder hunyuan hunyuan-dense hy_v4 joyai-llm ufakzeka grok-2 afmoe laguna minimax-m2 solar-open
mellum2 minicpm5""".split()

# Beside nasty.jsonl: contractions in both cases, runs of digits and blanks, camel case, signs next to line ends.
EXTRA = ["I'm you're we've he'll it's don't I'd I'M YOU'RE WE'VE HE'LL IT'S DON'T I'D", "camelCase HTTPServer's McDonald's",
         "Ankara'daki 'tis 'Ds 'llama 's9 9's",
         "1 12 123 1234 12345 123456 1234567 1234567890123 a1b22c333d4444", "a b  c   d    e     f      g       h        i",
         "x" + " " * 17 + "y" + " " * 70 + "z", "\n \n\n  \n\t\n   x\n    y\r\n\r\n  z \r \n. \n.\n\n!\r\n/\n//\n",
         "# if (x >= 10) { return a[i] += 0x1F / 3.14; } // done", "https://example.org/a_b?c=d&e=%20 <sentinel:12> IMGIMGABCZ",
         "$5 +3 <=> ^~|` ... !!! ??? ---- ____ ``` \"' ''", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f \uc548\ub155 \u3105\u3106 \u2018a\u2019"]


def vocabulary(texts):
    """Tokens by id, the last one a control token, and merges."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=VOCAB - 1, show_progress=False, max_token_length=12,
                                             initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return [*tokens, "<|the-first|>"], [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]


def write(path, name, tokens, merges):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 1)
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        shapes[f"blk.0.{part}"] = (32, 32)
    for tensor, shape in shapes.items():
        writer.add_tensor(f"{tensor}.weight", np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ids_of(path, texts):
    model = LlamaCpp(path, 64)
    ids = [model.tokenize(text, False) for text in texts]
    bos = model.tokenize("", True) != []
    model.close()
    return ids, bos


def main():
    texts = [json.loads(line)["text"] for line in open(TOKENIZERS / "nasty.jsonl", encoding="utf-8")] + EXTRA
    # llama.cpp takes some texts for special tokens whatever their type: none of the vocabulary may be one.
    tokens, merges = vocabulary([text for text in texts if "<" not in text])
    variants, names = [[] for _ in texts], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            path = pathlib.Path(folder) / f"{name}.gguf"
            write(path, name, tokens, merges)
            try:
                ids, bos = ids_of(path, texts)
            except RuntimeError as error:
                assert "unknown pre-tokenizer" in str(error), error
                print(f"not known to this llama.cpp: {name}")
                continue
            which = []
            for i, list_ in enumerate(ids):
                if list_ not in variants[i]:
                    variants[i].append(list_)
                which.append(variants[i].index(list_))
            names[name] = {"add_bos": bos, "which": which}
    lines = [json.dumps(entry, separators=(",", ":")) for entry in variants]
    golden = {"extra": EXTRA, "tokens": tokens, "merges": merges, "names": names}
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"variants":[\n' + ",\n".join(lines) + "]}\n"
    (TOKENIZERS / "gguf-pre.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
