#!/usr/bin/python3
"""The models of tests/bench/shapes.c in plain PyTorch 1.13: what `make bench` measures lmutils against.

    torch_steps.py [-j THREADS] [--seconds 3] [--what forward|step] [--batch 4x64] [--mlm] [--cpu] [SHAPE ...]

Prints the lines that `steps` prints. Written as transformers writes these models, with what makes them fast in this version:
one projection for queries, keys and values where the checkpoint has one, the attention function of torch.nn.functional,
gradients set to None, AdamW over lists of tensors (foreach). The loss is of all tokens; rows are padded to the longest.
"""
import argparse
import math
import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from torch_bert import Bert, pad  # noqa: E402


def attend(q, k, v, mask, dropout=0.0):
    """q [rows, heads, tokens, dim]; mask is added to the scores, or None."""
    return F._scaled_dot_product_attention(q, k, v, mask, dropout)[0].transpose(1, 2).flatten(2)


def causal_mask(n):
    return torch.full((n, n), float("-inf")).triu(1)


def split(x, heads):
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


class Linear(nn.Linear):
    def __init__(self, a, b, bias=False):
        super().__init__(a, b, bias)
        nn.init.normal_(self.weight, 0, 0.02)


# ---------------------------------------------------------------- GPT-2

class Gpt2Block(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(w), nn.LayerNorm(w)
        self.c_attn, self.a_proj = Linear(w, 3 * w, True), Linear(w, w, True)
        self.c_fc, self.c_proj = Linear(w, 4 * w, True), Linear(4 * w, w, True)

    def forward(self, x, mask):
        q, k, v = (split(y, self.heads) for y in self.c_attn(self.ln_1(x)).chunk(3, -1))
        x = x + self.a_proj(attend(q, k, v, mask))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, layers=12, width=768, heads=12, positions=1024, vocab=50257):
        super().__init__()
        self.vocab = vocab
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(positions, width)
        for e in (self.wte, self.wpe):
            nn.init.normal_(e.weight, 0, 0.02)
        self.h = nn.ModuleList(Gpt2Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def loss(self, batch):
        ids, labels = batch
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        mask = causal_mask(ids.shape[1])
        for block in self.h:
            x = block(x, mask)
        return F.cross_entropy(F.linear(self.ln_f(x), self.wte.weight).flatten(0, 1), labels.flatten())


# ---------------------------------------------------------------- Llama

class RmsNorm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


class LlamaBlock(nn.Module):
    def __init__(self, w, heads, kv, inner):
        super().__init__()
        self.heads, self.kv, dim = heads, kv, w // heads
        self.norm_1, self.norm_2 = RmsNorm(w), RmsNorm(w)
        self.q, self.k, self.v, self.o = Linear(w, w), Linear(w, kv * dim), Linear(w, kv * dim), Linear(w, w)
        self.gate, self.up, self.down = Linear(w, inner), Linear(w, inner), Linear(inner, w)

    def forward(self, x, mask, cos, sin):
        h = self.norm_1(x)
        q, k, v = split(self.q(h), self.heads), split(self.k(h), self.kv), split(self.v(h), self.kv)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (y.repeat_interleave(self.heads // self.kv, 1) for y in (k, v))
        x = x + self.o(attend(q, k, v, mask))
        h = self.norm_2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self, layers=24, width=896, heads=14, kv=2, inner=4864, vocab=151936):
        super().__init__()
        self.vocab, self.dim = vocab, width // heads
        self.embed = nn.Embedding(vocab, width)
        nn.init.normal_(self.embed.weight, 0, 0.02)
        self.layers = nn.ModuleList(LlamaBlock(width, heads, kv, inner) for _ in range(layers))
        self.norm = RmsNorm(width)

    def loss(self, batch):
        ids, labels = batch
        x, mask = self.embed(ids), causal_mask(ids.shape[1])
        angle = torch.arange(ids.shape[1])[:, None] * 10000.0 ** (-torch.arange(0, self.dim, 2) / self.dim)
        angle = torch.cat((angle, angle), -1)
        cos, sin = angle.cos(), angle.sin()
        for block in self.layers:
            x = block(x, mask, cos, sin)
        return F.cross_entropy(F.linear(self.norm(x), self.embed.weight).flatten(0, 1), labels.flatten())


# ---------------------------------------------------------------- T5

def bucket(relative, both, buckets=32, distance=128):
    out = torch.zeros_like(relative)
    if both:
        buckets //= 2
        out += (relative > 0).long() * buckets
        n = relative.abs()
    else:
        n = (-relative).clamp(min=0)
    exact = buckets // 2
    far = exact + (torch.log(n.clamp(min=1) / exact) / math.log(distance / exact) * (buckets - exact)).long()
    return out + torch.where(n < exact, n, far.clamp(max=buckets - 1))


class T5Attention(nn.Module):
    def __init__(self, w, heads, dim):
        super().__init__()
        self.heads, self.dim = heads, dim
        self.q, self.k, self.v = (Linear(w, heads * dim) for _ in range(3))
        self.o = Linear(heads * dim, w)

    def forward(self, x, memory, bias, dropout):
        q, k, v = split(self.q(x), self.heads), split(self.k(memory), self.heads), split(self.v(memory), self.heads)
        # scores are not scaled: the function divides by sqrt(dim)
        return self.o(attend(q * math.sqrt(self.dim), k, v, bias, dropout))


class T5Block(nn.Module):
    def __init__(self, w, heads, dim, inner, decoder):
        super().__init__()
        self.norms = nn.ModuleList(RmsNorm(w) for _ in range(3 if decoder else 2))
        self.attention = T5Attention(w, heads, dim)
        self.cross = T5Attention(w, heads, dim) if decoder else None
        self.wi, self.wo = Linear(w, inner), Linear(inner, w)

    def forward(self, x, bias, memory, p):
        drop = lambda y: F.dropout(y, p, p > 0)
        h = self.norms[0](x)
        x = x + drop(self.attention(h, h, bias, p))
        if self.cross is not None:
            x = x + drop(self.cross(self.norms[1](x), memory, None, p))
        return x + drop(self.wo(drop(F.relu(self.wi(self.norms[-1](x))))))


class T5Stack(nn.Module):
    def __init__(self, layers, w, heads, dim, inner, decoder):
        super().__init__()
        self.blocks = nn.ModuleList(T5Block(w, heads, dim, inner, decoder) for _ in range(layers))
        self.norm, self.decoder = RmsNorm(w), decoder
        self.relative = nn.Embedding(32, heads)

    def forward(self, x, memory, p):
        n = torch.arange(x.shape[1])
        bias = self.relative(bucket(n[None] - n[:, None], not self.decoder)).permute(2, 0, 1)[None]
        if self.decoder:
            bias = bias + causal_mask(x.shape[1])
        x = F.dropout(x, p, p > 0)
        for block in self.blocks:
            x = block(x, bias, memory, p)
        return F.dropout(self.norm(x), p, p > 0)


class T5(nn.Module):
    def __init__(self, layers=6, w=512, heads=8, dim=64, inner=2048, vocab=32128, dropout=0.1):
        super().__init__()
        self.vocab, self.dropout, self.scale = vocab, dropout, w ** -0.5
        self.shared = nn.Embedding(vocab, w)
        self.encoder = T5Stack(layers, w, heads, dim, inner, False)
        self.decoder = T5Stack(layers, w, heads, dim, inner, True)

    def loss(self, batch):
        ids, labels = batch
        p = self.dropout if self.training else 0.0
        memory = self.encoder(self.shared(ids), None, p)
        x = self.decoder(self.shared(F.pad(labels[:, :-1], (1, 0))), memory, p)
        return F.cross_entropy(F.linear(x * self.scale, self.shared.weight).flatten(0, 1), labels.flatten())


# ---------------------------------------------------------------- BERT

BERT = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "minilm": (6, 384, 12), "distilbert": (6, 768, 12), "base": (12, 768, 12)}


class BertLoss(nn.Module):
    def __init__(self, shape, mlm, p):
        super().__init__()
        layers, width, heads = BERT[shape]
        self.vocab, self.mlm = 30522, mlm
        self.bert = Bert({"vocab_size": self.vocab, "hidden_size": width, "num_hidden_layers": layers, "type_vocab_size": 2,
                          "num_attention_heads": heads, "intermediate_size": 4 * width, "layer_norm_eps": 1e-12,
                          "max_position_embeddings": 512, "hidden_dropout_prob": p, "attention_probs_dropout_prob": p},
                         0 if mlm else 4)

    def loss(self, batch):
        inputs, labels, chosen = batch
        if self.mlm:
            return self.bert.masked_loss(*inputs, chosen)
        return F.cross_entropy(self.bert.classify(*inputs), labels)


def bert_batch(form, vocab):
    if form == "ag":
        lengths = [88 if r == 5 else 22 + r * 42 // 31 + r % 3 for r in range(32)]
    else:
        rows, length = map(int, form.split("x"))
        lengths = [length] * rows
    inputs = pad([(np.random.randint(0, vocab, n), np.zeros(n, np.int64)) for n in lengths], 0)
    chosen = torch.full(inputs[0].shape, -100)
    chosen[:, 3::7] = torch.where(inputs[2][:, 3::7] == 1, inputs[0][:, 3::7], chosen[:, 3::7])
    return (inputs, torch.tensor([i % 4 for i in range(len(lengths))]), chosen), sum(lengths)


def token_batch(form, vocab):
    """Ids and labels; as many labels as ids where the form gives no targets."""
    rows, rest = form.split("x")
    source, _, target = rest.partition("+")
    draw = lambda n: torch.randint(0, vocab, (int(rows), int(n)))
    return (draw(source), draw(target or source)), int(rows) * (int(source) + int(target or 0))


# ---------------------------------------------------------------- measuring

SHAPES = {"gpt2": (Gpt2, "4x64 4x256"), "llama-0.5b": (Llama, "4x128"), "t5-small": (T5, "16x128+32")}


def peak_mib():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))


def one_step(model, optimizer, batch):
    with torch.set_grad_enabled(optimizer is not None):
        loss = model.loss(batch)
        if optimizer:
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        loss.item()


def optimizer_of(model):
    plain = [p for n, p in model.named_parameters() if p.dim() < 2]
    decayed = [p for n, p in model.named_parameters() if p.dim() >= 2]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
                             lr=1e-5, betas=(0.9, 0.999), eps=1e-8, foreach=True)


def run(shape, args):
    clock = time.process_time if args.cpu else time.perf_counter
    known, batches = SHAPES.get(shape, (None, "32x128 ag"))
    model = known() if known else BertLoss(shape, args.mlm, args.dropout)
    for what in ("forward", "step"):
        if args.what not in (None, what):
            continue
        model.train(what == "step")
        optimizer = optimizer_of(model) if what == "step" else None
        for form in (args.batch or batches).split():
            batch, tokens = (token_batch if known else bert_batch)(form, model.vocab)
            for _ in range(2):
                one_step(model, optimizer, batch)
            times, begin = [], clock()
            while len(times) < 3 or clock() - begin < args.seconds:
                start = clock()
                one_step(model, optimizer, batch)
                times.append(clock() - start)
            print("%-10s %-9s %-8s %9.0f tok/s (mean %.1f) %d MiB" % (
                shape, form, "mlm-step" if what == "step" and args.mlm else what, tokens / min(times),
                tokens * len(times) / sum(times), peak_mib()), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("shapes", nargs="*", help=" ".join([*BERT, *SHAPES]))
    p.add_argument("-j", "--threads", type=int, default=os.cpu_count())
    p.add_argument("--seconds", type=float, default=3, help="of each measurement, at least")
    p.add_argument("--what", choices=["forward", "step"])
    p.add_argument("--batch", help="rows x tokens, and + targets")
    p.add_argument("--mlm", action="store_true", help="BERT: masked language modelling instead of classification")
    p.add_argument("--dropout", type=float, default=0.1, help="BERT's")
    p.add_argument("--cpu", action="store_true", help="the processor's time, not the clock's")
    args = p.parse_intermixed_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    for shape in args.shapes or [*BERT, *SHAPES]:
        run(shape, args)


if __name__ == "__main__":
    main()
