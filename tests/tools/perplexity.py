#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo model's perplexity, in float64 and by numpy alone.

    perplexity.py QEFF_TOKENIZE MODEL_DIR TEXT

TEXT holds documents separated by lines of <|endoftext|>.  Each is scored by
itself, after the token that begins a text.  This is where the figure in
tests/cli/demo.bats comes from; nothing of the toolkit takes part but the
tokenizer, whose ids the goldens check.
"""
import json, subprocess, struct, sys
import numpy as np

tool, model, text = sys.argv[1:]
cfg = json.load(open(f"{model}/config.json"))
raw = open(f"{model}/model.safetensors", "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
w = {}
for name, t in json.loads(raw[8:8 + n]).items():
    if name != "__metadata__":
        a, b = t["data_offsets"]
        x = np.frombuffer(raw[8 + n + a:8 + n + b], "<u2").astype("<u4") << 16
        w[name] = x.view("<f4").astype("f8").reshape(t["shape"])

H, NH, KV, HD = (cfg[k] for k in ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim"))


def norm(x, g):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + cfg["rms_norm_eps"]) * g


def rotate(x, cos, sin):
    half = HD // 2
    return x * cos + np.concatenate([-x[..., half:], x[..., :half]], -1) * sin


def logits(ids):
    s = len(ids)
    x = w["model.embed_tokens.weight"][ids]
    ang = np.outer(np.arange(s), cfg["rope_theta"] ** (-np.arange(0, HD, 2) / HD))
    cos, sin = (f(np.concatenate([ang, ang], -1))[:, None] for f in (np.cos, np.sin))
    for i in range(cfg["num_hidden_layers"]):
        p = f"model.layers.{i}."
        h = norm(x, w[p + "input_layernorm.weight"])
        q, k, v = ((h @ w[p + f"self_attn.{m}_proj.weight"].T).reshape(s, -1, HD) for m in "qkv")
        q, k = rotate(q, cos, sin), np.repeat(rotate(k, cos, sin), NH // KV, 1)
        a = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(HD) + np.triu(np.full((s, s), -np.inf), 1)
        a = np.exp(a - a.max(-1, keepdims=True))
        o = np.einsum("hqk,khd->qhd", a / a.sum(-1, keepdims=True), np.repeat(v, NH // KV, 1))
        x = x + o.reshape(s, -1) @ w[p + "self_attn.o_proj.weight"].T
        h = norm(x, w[p + "post_attention_layernorm.weight"])
        g = h @ w[p + "mlp.gate_proj.weight"].T
        x = x + (g / (1 + np.exp(-g)) * (h @ w[p + "mlp.up_proj.weight"].T)) @ w[p + "mlp.down_proj.weight"].T
    return norm(x, w["model.norm.weight"]) @ w["model.embed_tokens.weight"].T


docs = open(text).read().rstrip("\n").split("\n<|endoftext|>\n")
lines = "".join(json.dumps({"text": d}) + "\n" for d in docs)
out = subprocess.run([tool, "encode", "--jsonl", model], input=lines, capture_output=True, text=True, check=True).stdout
total = count = 0
for line in out.splitlines():
    ids = np.array(json.loads(line)["ids"])
    y = logits(ids[:-1])
    y = y - y.max(-1, keepdims=True)
    y = y - np.log(np.exp(y).sum(-1, keepdims=True))
    total -= y[np.arange(len(ids) - 1), ids[1:]].sum()
    count += len(ids) - 1
print(f"perplexity {np.exp(total / count):.6f} over {count} tokens (mean nll {total / count:.6f})")
