"""llama.cpp by its C interface, from the wheel `xllamacpp`, whose one library exports it.

Structures are those of the build that tools/setup/reference.txt pins: what the library gives as
defaults is checked before it is believed.
"""

import ctypes
import importlib.util
import pathlib

import numpy as np


class ModelParams(ctypes.Structure):
    _fields_ = [("opaque", ctypes.c_uint64 * 32)]  # more than any version has, never looked into


class ContextParams(ctypes.Structure):
    _fields_ = [("n_ctx", ctypes.c_uint32), ("n_batch", ctypes.c_uint32), ("n_ubatch", ctypes.c_uint32),
                ("n_seq_max", ctypes.c_uint32), ("n_rs_seq", ctypes.c_uint32), ("n_outputs_max", ctypes.c_uint32),
                ("n_outputs_max_per_seq", ctypes.c_uint32), ("n_threads", ctypes.c_int32),
                ("n_threads_batch", ctypes.c_int32), ("ctx_type", ctypes.c_int32), ("rope_type", ctypes.c_int32),
                ("pooling", ctypes.c_int32), ("attention", ctypes.c_int32), ("flash_attn", ctypes.c_int32),
                ("rope_freq_base", ctypes.c_float), ("rope_freq_scale", ctypes.c_float), ("yarn", ctypes.c_float * 4),
                ("yarn_orig_ctx", ctypes.c_uint32), ("defrag", ctypes.c_float), ("cb_eval", ctypes.c_void_p),
                ("cb_data", ctypes.c_void_p), ("type_k", ctypes.c_int32), ("type_v", ctypes.c_int32),
                ("opaque", ctypes.c_uint64 * 24)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
                ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8))]


def available():
    return importlib.util.find_spec("xllamacpp") is not None


def _library():
    folder = pathlib.Path(importlib.util.find_spec("xllamacpp").origin).parent
    lib = ctypes.CDLL(str(next(folder.glob("xllamacpp*.so"))))
    pointers = ("llama_model_load_from_file", "llama_init_from_model", "llama_model_get_vocab", "llama_get_memory")
    for name in pointers:
        getattr(lib, name).restype = ctypes.c_void_p
    lib.llama_model_default_params.restype = ModelParams
    lib.llama_context_default_params.restype = ContextParams
    lib.llama_batch_init.restype = Batch
    lib.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
    lib.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    lib.llama_decode.argtypes = [ctypes.c_void_p, Batch]
    lib.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32,
                                   ctypes.c_bool, ctypes.c_bool]
    lib.llama_memory_clear.argtypes = [ctypes.c_void_p, ctypes.c_bool]
    lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParams]
    lib.llama_init_from_model.argtypes = [ctypes.c_void_p, ContextParams]
    for name in ("llama_model_get_vocab", "llama_get_memory", "llama_vocab_n_tokens", "llama_free", "llama_model_free"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    return lib


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class LlamaCpp:
    """One model, float32 cache, no flash attention, one sequence at a time."""

    def __init__(self, path, context=1024, threads=2):
        self.lib = _library()
        self.messages = []
        self.log = LOG(lambda level, text, _: self.messages.append(text.decode("utf-8", "replace")))
        self.lib.llama_log_set(self.log, None)
        self.lib.llama_backend_init()
        self.model = self.lib.llama_model_load_from_file(str(path).encode(), self.lib.llama_model_default_params())
        if not self.model:
            raise RuntimeError("llama.cpp does not load it: " + "".join(self.messages)[-600:])
        params = self.lib.llama_context_default_params()
        if (params.n_ctx, params.n_batch, params.n_ubatch, params.type_k, params.type_v) != (512, 2048, 512, 1, 1):
            raise RuntimeError("this build of llama.cpp has other structures than the pinned one")
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn = params.type_k = params.type_v = 0
        self.context = self.lib.llama_init_from_model(self.model, params)
        if not self.context:
            raise RuntimeError("llama.cpp makes no context: " + "".join(self.messages)[-600:])
        self.vocab = self.lib.llama_model_get_vocab(self.model)
        self.vocab_size = self.lib.llama_vocab_n_tokens(self.vocab)
        self.capacity = context

    def close(self):
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)

    def tokenize(self, text, special=True):
        data = text.encode()
        ids = np.empty(len(data) + 16, np.int32)
        count = self.lib.llama_tokenize(self.vocab, data, len(data), ids.ctypes.data, len(ids), special, True)
        if count < 0:
            raise RuntimeError("llama.cpp cannot tokenise it")
        return ids[:count].tolist()

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def decode(self, ids, start=0):
        """Logits [tokens, vocabulary] behind `start` tokens that were decoded before."""
        batch = self.lib.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, start + i, 1, 1
            batch.seq_id[i][0] = 0
        status = self.lib.llama_decode(self.context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")
        rows = [np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, i), (self.vocab_size,)).copy()
                for i in range(len(ids))]
        self.lib.llama_batch_free(batch)
        return np.stack(rows)

    def logits(self, ids):
        self.clear()
        return self.decode(ids)

    def greedy(self, ids, count):
        self.clear()
        new, last = [], self.decode(ids)[-1]
        for _ in range(count):
            new.append(int(last.argmax()))
            last = self.decode(new[-1:], len(ids) + len(new) - 1)[-1]
        return new

    def perplexity(self, ids, bos, window=512):
        """As llama-perplexity: windows of the document's ids, the first id of each replaced by BOS where the tokenizer
        adds one, the second half scored."""
        total, scored = 0.0, 0
        for begin in range(0, len(ids) // window * window, window):
            part = list(ids[begin:begin + window])
            if bos is not None:
                part[0] = bos
            rows = self.logits(part)[window // 2:-1].astype(np.float64)
            rows -= rows.max(1, keepdims=True)
            logp = rows - np.log(np.exp(rows).sum(1, keepdims=True))
            targets = ids[begin + window // 2 + 1:begin + window]
            total -= logp[np.arange(len(targets)), targets].sum()
            scored += len(targets)
        return float(np.exp(total / scored))
