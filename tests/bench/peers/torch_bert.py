#!/usr/bin/python3
"""BERT in plain PyTorch, the peer that `make bench` (by torch_steps.py) and the figures in README.md are measured against.

It does what finetune and score do, the way a user of PyTorch does it: batches in random order, padded to the longest
row of the batch, AdamW with a linear schedule and warm-up, clipping at 1. It reads what lmutils writes: a Hugging Face
directory (config.json, model.safetensors) and the token streams of tok, so both sides see the same weights and the
same ids. Nothing of lmutils depends on this file.

    torch_bert.py train -m DIR --train train.lms [--test test.lms] [--random] [--epochs 3] ...
                        what it learns follows from the stream: classes, numbers, or tags of tokens
    torch_bert.py mlm   -m DIR --train train.lms --steps 100
    torch_bert.py init  -o DIR --vocab 8000 --layers 4 --width 256

The result of train and mlm is one JSON object on standard output: examples/s of training (data order, forward, backward, update; the
model's loading and the imports left out), peak resident memory, accuracy and macro-F1 on the test rows.
"""
import argparse
import json
import math
import os
import random
import resource
import struct
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


# ---------------------------------------------------------------- files

def read_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    header.pop("__metadata__", None)
    return {name: torch.from_numpy(tensor_of(data, t).copy()) for name, t in header.items()}


def tensor_of(data, t):
    a, b = t["data_offsets"]
    return np.frombuffer(data[a:b], DTYPES[t["dtype"]]).reshape(t["shape"])


def write_safetensors(path, tensors):
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, t in tensors.items():
        blob = t.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_tokens(path):
    """The rows of an LMS token stream: (ids, types, label word or number or None, tags or None)."""
    rows, preamble, ended = [], None, False
    with open(path, "rb") as f:
        while True:
            line = f.readline()
            if not line:
                break
            header = json.loads(line)
            size = header.get("bytes", 0)
            payload = f.read(size)
            if size:
                f.read(64 - size % 64)
            if "lms" in header:
                preamble, ended = header, False
                continue
            if "end" in header:
                ended = True
                continue
            if "tensors" not in header:
                continue
            columns = {name: tensor_of(payload, t) for name, t in header["tensors"].items()}
            splits = columns["ids.splits"]
            types = columns.get("types", np.zeros(len(columns["ids"]), np.uint8))
            labels = header.get("labels") or (columns["label"].tolist() if "label" in columns else None)
            tags = columns.get("tags")
            for i in range(header["n"]):
                a, b = splits[i], splits[i + 1]
                rows.append((columns["ids"][a:b].astype(np.int64), types[a:b].astype(np.int64),
                             None if labels is None else labels[i],
                             None if tags is None else tags[a:b].astype(np.int64)))
    if not ended:
        sys.exit(path + ": the stream has no end record")
    return preamble, rows


# ---------------------------------------------------------------- the model, with the names of transformers

class Embeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.word_embeddings = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.position_embeddings = nn.Embedding(c["max_position_embeddings"], c["hidden_size"])
        self.token_type_embeddings = nn.Embedding(c["type_vocab_size"], c["hidden_size"])
        self.LayerNorm = nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"])
        self.dropout = nn.Dropout(c["hidden_dropout_prob"])

    def forward(self, ids, types):
        positions = torch.arange(ids.shape[1])
        x = self.word_embeddings(ids) + self.position_embeddings(positions) + self.token_type_embeddings(types)
        return self.dropout(self.LayerNorm(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, f = c["hidden_size"], c["intermediate_size"]
        self.heads = c["num_attention_heads"]
        self.attention = nn.Module()
        self.attention.self = nn.ModuleDict({k: nn.Linear(h, h) for k in ("query", "key", "value")})
        self.attention.output = nn.ModuleDict({"dense": nn.Linear(h, h), "LayerNorm": nn.LayerNorm(h, c["layer_norm_eps"])})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(h, f)})
        self.output = nn.ModuleDict({"dense": nn.Linear(f, h), "LayerNorm": nn.LayerNorm(h, c["layer_norm_eps"])})
        self.attention_dropout = nn.Dropout(c["attention_probs_dropout_prob"])
        self.dropout = nn.Dropout(c["hidden_dropout_prob"])

    def forward(self, x, mask):
        b, t, h = x.shape
        split = lambda y: y.view(b, t, self.heads, h // self.heads).transpose(1, 2)
        s = self.attention.self
        q, k, v = split(s["query"](x)), split(s["key"](x)), split(s["value"](x))
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(h // self.heads) + mask, -1)
        a = (self.attention_dropout(p) @ v).transpose(1, 2).reshape(b, t, h)
        o = self.attention.output
        x = o["LayerNorm"](x + self.dropout(o["dense"](a)))
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        return self.output["LayerNorm"](x + self.dropout(y))


class Bert(nn.Module):
    """BertForMaskedLM where classes is 0, BertForTokenClassification with tags, else BertForSequenceClassification."""

    def __init__(self, c, classes, tags=False):
        super().__init__()
        h = c["hidden_size"]
        self.bert = nn.Module()
        self.bert.embeddings = Embeddings(c)
        self.bert.encoder = nn.Module()
        self.bert.encoder.layer = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        if classes:
            if not tags:
                self.bert.pooler = nn.ModuleDict({"dense": nn.Linear(h, h)})
            p = c.get("classifier_dropout")
            self.dropout = nn.Dropout(c["hidden_dropout_prob"] if p is None else p)
            self.classifier = nn.Linear(h, classes)
        else:
            self.cls = nn.Module()
            self.cls.predictions = nn.Module()
            self.cls.predictions.transform = nn.ModuleDict(
                {"dense": nn.Linear(h, h), "LayerNorm": nn.LayerNorm(h, c["layer_norm_eps"])})
            self.cls.predictions.bias = nn.Parameter(torch.zeros(c["vocab_size"]))
        self.apply(self.initialise)

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0, 0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def encode(self, ids, types, mask):
        x = self.bert.embeddings(ids, types)
        bias = (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        for layer in self.bert.encoder.layer:
            x = layer(x, bias)
        return x

    def classify(self, ids, types, mask):
        pooled = torch.tanh(self.bert.pooler["dense"](self.encode(ids, types, mask)[:, 0]))
        return self.classifier(self.dropout(pooled))

    def tag(self, ids, types, mask):
        return self.classifier(self.dropout(self.encode(ids, types, mask)))

    def masked_loss(self, ids, types, mask, labels):
        x = self.encode(ids, types, mask)[labels >= 0]
        t = self.cls.predictions.transform
        x = t["LayerNorm"](F.gelu(t["dense"](x)))
        logits = F.linear(x, self.bert.embeddings.word_embeddings.weight, self.cls.predictions.bias)
        return F.cross_entropy(logits, labels[labels >= 0])


def load(args, classes, tags=False):
    with open(os.path.join(args.model, "config.json")) as f:
        config = json.load(f)
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        if args.dropout is not None:
            config[key] = args.dropout
    model = Bert(config, classes, tags)
    path = os.path.join(args.model, "model.safetensors")
    if not args.random:
        own, read = model.state_dict(), read_safetensors(path)
        read = {(k if k.startswith(("bert.", "cls.", "classifier.")) else "bert." + k): v for k, v in read.items()}
        taken = {k: v.float() for k, v in read.items() if k in own and own[k].shape == v.shape}
        body = [k for k in own if k.startswith(("bert.embeddings", "bert.encoder")) and k not in taken]
        if body:
            sys.exit("%s: no %s" % (path, body[0]))
        model.load_state_dict({**own, **taken})
    return config, model


def optimiser(model, args):
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": args.weight_decay},
                              {"params": plain, "weight_decay": 0.0}], lr=args.lr, betas=(0.9, 0.999), eps=1e-8)


def schedule(optimizer, args, total):
    warm = math.ceil(total * args.warmup_ratio)
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: s / max(1, warm) if s < warm else max(0.0, (total - s) / max(1, total - warm)))


# ---------------------------------------------------------------- batches

def pad(rows, pad_id, width=0):
    width = width or max(len(r[0]) for r in rows)
    ids = np.full((len(rows), width), pad_id, np.int64)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    for i, r in enumerate(rows):
        n = len(r[0])
        ids[i, :n], types[i, :n], mask[i, :n] = r[0], r[1], 1
    return torch.from_numpy(ids), torch.from_numpy(types), torch.from_numpy(mask)


def peak_mib():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


class Task:
    """What the labels of a stream ask for, the loss, and how good an answer is."""

    def __init__(self, preamble, rows):
        labels = {r[2] for r in rows}
        self.kind = "tags" if "tags" in preamble else "number" if isinstance(rows[0][2], float) else "classes"
        if self.kind == "tags":
            self.names = preamble["tags"]
        elif self.kind == "number":
            self.names = ["number"]
        else:
            self.names = sorted({str(w) for w in labels},
                                key=lambda w: (0, int(w), "") if w.lstrip("-").isdigit() else (1, 0, w))
        self.index = {w: i for i, w in enumerate(self.names)}

    def logits(self, model, inputs):
        return model.tag(*inputs) if self.kind == "tags" else model.classify(*inputs)

    def loss(self, model, batch, inputs):
        logits = self.logits(model, inputs)
        if self.kind == "tags":
            labels = torch.full(logits.shape[:2], -100)
            for i, r in enumerate(batch):
                labels[i, :len(r[3])] = torch.from_numpy(r[3])
            return F.cross_entropy(logits.view(-1, len(self.names)), labels.view(-1))
        if self.kind == "number":
            return F.mse_loss(logits[:, 0], torch.tensor([r[2] for r in batch]))
        return F.cross_entropy(logits, torch.tensor([self.index[str(r[2])] for r in batch]))


def entities(tags):
    """Spans of a sentence in IOB2, as conlleval reads it: (type, first, last + 1)."""
    spans, begin, kind = [], 0, None
    for i, tag in enumerate(tags + ["O"]):
        prefix, _, of = tag.partition("-")
        if kind is not None and (prefix != "I" or of != kind):
            spans.append((kind, begin, i))
            kind = None
        if prefix in ("B", "I") and (prefix == "B" or kind is None):
            begin, kind = i, of
    return set(spans)


# In the order in which gradual unfreezing reaches it: 0 is the head, then the blocks from the top, then the embeddings.
def depth(name, layers):
    if name.startswith("bert.encoder.layer."):
        return layers - int(name.split(".")[3])
    return layers + 1 if name.startswith("bert.embeddings.") else 0


def freeze(model, layers, way, stage):
    for name, p in model.named_parameters():
        p.requires_grad_(way == "full" or depth(name, layers) <= (stage if way == "gradual" else 0))
        if not p.requires_grad:
            p.grad = None


def train(args):
    preamble, rows = read_tokens(args.train)
    rows = rows[:args.rows] if args.rows else rows
    task = Task(preamble, rows)
    config, model = load(args, len(task.names), task.kind == "tags")
    pad_id = config.get("pad_token_id") or 0
    per_epoch = math.ceil(len(rows) / args.batch_size)
    every = math.ceil(per_epoch * float(args.unfreeze_every.rstrip("e")))
    total = args.max_steps or per_epoch * args.epochs
    optimizer = optimiser(model, args)
    rate = schedule(optimizer, args, total)
    shuffle = random.Random(args.seed)
    model.train()
    step, seen, losses, begin = 0, 0, [], time.perf_counter()
    while step < total:
        order = shuffle.sample(range(len(rows)), len(rows))
        for at in range(0, len(order), args.batch_size):
            batch = [rows[i] for i in order[at:at + args.batch_size]]
            if step % every == 0:
                freeze(model, config["num_hidden_layers"], args.way, step // every)
            loss = task.loss(model, batch, pad(batch, pad_id, args.pad_to))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
            optimizer.step()
            rate.step()
            losses.append(loss.item())
            step, seen = step + 1, seen + len(batch)
            if step == total:
                break
    seconds = time.perf_counter() - begin
    report = {"what": "train", "rows": len(rows), "steps": step, "seconds": round(seconds, 2),
              "examples_per_second": round(seen / seconds, 1), "peak_mib": peak_mib(),
              "loss": round(float(np.mean(losses[-per_epoch:])), 4)}
    if args.test:
        report.update(evaluate(model, args, task, pad_id))
    print(json.dumps(report))


def evaluate(model, args, task, pad_id):
    preamble, rows = read_tokens(args.test)
    model.eval()
    answers, begin = [], time.perf_counter()
    with torch.no_grad():
        for at in range(0, len(rows), 32):
            logits = task.logits(model, pad(rows[at:at + 32], pad_id, args.pad_to))
            answers += (logits[:, 0] if task.kind == "number" else logits.argmax(-1)).tolist()
    seconds = time.perf_counter() - begin
    report = {"test_rows": len(rows), "score_examples_per_second": round(len(rows) / seconds, 1)}
    measure = {"tags": measure_tags, "number": measure_numbers, "classes": measure_classes}[task.kind]
    return {**report, **{k: round(float(v), 5) for k, v in measure(task, preamble, rows, answers).items()}}


def measure_classes(task, preamble, rows, guesses):
    truth = [task.index.get(str(r[2]), -1) for r in rows]
    f1 = []
    for c in sorted(set(truth) | set(guesses)):
        hit = sum(g == c == t for g, t in zip(guesses, truth))
        f1.append(2 * hit / max(1, guesses.count(c) + truth.count(c)))
    return {"accuracy": np.mean(np.array(guesses) == np.array(truth)), "macro_f1": np.mean(f1)}


def measure_numbers(task, preamble, rows, answers):
    x, y = np.array(answers), np.array([r[2] for r in rows])
    ranks = [np.unique(v, return_inverse=True, return_counts=True)[1:] for v in (x, y)]
    ranks = [(np.cumsum(count) - (count - 1) / 2)[inverse] for inverse, count in ranks]  # ties share their mean rank
    return {"pearson": np.corrcoef(x, y)[0, 1], "spearman": np.corrcoef(*ranks)[0, 1], "mse": np.mean((x - y) ** 2)}


def measure_tags(task, preamble, rows, answers):
    hit = found = wanted = right = words = 0
    for r, answer in zip(rows, answers):
        at = [i for i, t in enumerate(r[3]) if t >= 0]
        truth = [preamble["tags"][r[3][i]] for i in at]
        guess = [task.names[answer[i]] for i in at]
        a, b = entities(truth), entities(guess)
        hit, found, wanted = hit + len(a & b), found + len(b), wanted + len(a)
        right, words = right + sum(t == g for t, g in zip(truth, guess)), words + len(at)
    return {"f1": 2 * hit / max(1, found + wanted), "precision": hit / max(1, found), "recall": hit / max(1, wanted),
            "accuracy": right / max(1, words)}


def mlm(args):
    preamble, rows = read_tokens(args.train)
    config, model = load(args, 0)
    pad_id, mask_id = config.get("pad_token_id") or 0, preamble["tokenizer"]["mask_id"]
    special = [v for k, v in preamble["tokenizer"].items() if k.endswith("_id")]
    optimizer = optimiser(model, args)
    total = args.max_steps or 100
    rate = schedule(optimizer, args, total)
    rng = np.random.default_rng(args.seed)
    model.train()
    seen, tokens, losses, begin = 0, 0, [], time.perf_counter()
    for _ in range(total):
        batch = [rows[i] for i in rng.integers(0, len(rows), args.batch_size)]
        ids, types, mask = pad(batch, pad_id)
        plain = ids.numpy()
        chosen = (rng.random(plain.shape) < 0.15) & ~np.isin(plain, special) & (mask.numpy() == 1)
        labels = np.where(chosen, plain, -100)
        draw = rng.random(plain.shape)
        masked = np.where(chosen & (draw < 0.8), mask_id, plain)
        masked = np.where(chosen & (draw >= 0.9), rng.integers(0, config["vocab_size"], plain.shape), masked)
        loss = model.masked_loss(torch.from_numpy(masked), types, mask, torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        losses.append(loss.item())
        seen, tokens = seen + len(batch), tokens + int(mask.sum())
    seconds = time.perf_counter() - begin
    print(json.dumps({"what": "mlm", "steps": total, "seconds": round(seconds, 2), "peak_mib": peak_mib(),
                      "examples_per_second": round(seen / seconds, 1), "tokens_per_second": round(tokens / seconds),
                      "loss": round(float(np.mean(losses[-20:])), 4)}))


def init(args):
    """A directory with random weights, for bench runs that have no trained model at hand."""
    config = {"architectures": ["BertForMaskedLM"], "model_type": "bert", "vocab_size": args.vocab,
              "hidden_size": args.width, "num_hidden_layers": args.layers, "num_attention_heads": args.width // 64,
              "intermediate_size": 4 * args.width, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
              "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512, "type_vocab_size": 2,
              "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0, "torch_dtype": "float32"}
    torch.manual_seed(args.seed)
    os.makedirs(args.output, exist_ok=True)
    with open(os.path.join(args.output, "config.json"), "w") as f:
        json.dump(config, f, indent=2)
    write_safetensors(os.path.join(args.output, "model.safetensors"), Bert(config, 0).state_dict())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["train", "mlm", "init"])
    p.add_argument("-m", "--model")
    p.add_argument("-o", "--output")
    p.add_argument("--train", metavar="LMS")
    p.add_argument("--test", metavar="LMS")
    p.add_argument("--random", action="store_true", help="random weights of the shape in config.json")
    p.add_argument("--rows", type=int, default=0, help="only the first N training rows")
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--max-steps", type=int, default=0)
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--lr", type=float, default=5e-5)
    p.add_argument("--weight-decay", type=float, default=0.0)
    p.add_argument("--warmup-ratio", type=float, default=0.0)
    p.add_argument("--dropout", type=float, help="else as config.json says")
    p.add_argument("--way", choices=["full", "frozen", "gradual"], default="full",
                   help="train: all; the head alone; from the head on one layer more from time to time")
    p.add_argument("--unfreeze-every", default="1e", metavar="Ne", help="epochs between two layers of --way gradual")
    p.add_argument("--pad-to", type=int, default=0, metavar="N", help="train: pad to N tokens, not to the longest row")
    p.add_argument("--seed", type=int, default=42)
    p.add_argument("-j", "--threads", type=int, default=os.cpu_count())
    p.add_argument("--vocab", type=int, default=8000)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--width", type=int, default=256)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    {"train": train, "mlm": mlm, "init": init}[args.what](args)


if __name__ == "__main__":
    main()
