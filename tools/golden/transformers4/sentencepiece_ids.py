"""Ids of a SentencePiece model by transformers 4's LlamaTokenizer; texts by LlamaTokenizerFast. Run by ../tokenizers.py.

stdin: {"folder": .., "texts": {key: [..]}}; stdout: {"ids": {key: [[..]]}, "plain_ids": [[..]], "decoded": [..], ..}
"""
import json
import os
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import sentencepiece
import transformers
from transformers import AutoTokenizer

request = json.load(sys.stdin)
slow = AutoTokenizer.from_pretrained(request["folder"], use_fast=False)
fast = AutoTokenizer.from_pretrained(request["folder"], use_fast=True)
ids = {key: [slow.encode(t) for t in texts] for key, texts in request["texts"].items()}
json.dump({
    "made_by": {"transformers": transformers.__version__, "sentencepiece": sentencepiece.__version__},
    "ids": ids,
    "plain_ids": [slow.encode(t, add_special_tokens=False) for t in request["texts"]["nasty"]],
    "decoded": [fast.decode(i, skip_special_tokens=True) for i in ids["nasty"]],
    "decoded_special": [fast.decode(i, skip_special_tokens=False) for i in ids["nasty"]],
}, sys.stdout)
