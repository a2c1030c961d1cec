#!/usr/bin/env python3
"""Makes denoising.json: what the recipes of masking and span corruption give, from an implementation of their own.

    python3 tests/unit/denoising.py >tests/unit/denoising.json

`masks`, `spans` and `prefixes` are rows drawn with Philox at the places that random.h, masking.h and spans.h name.
`rates` are those of the recipes as they were published, drawn with Python's own generator: they know nothing of Philox.
"""
import json
import math
import random

# ---------------------------------------------------------------- random numbers (Salmon et al. 2011)

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
FOR_MASKING, FOR_NOISE = 3, 11


def philox(key, counter):
    k0, k1 = key
    c = list(counter)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & M32, (p0 >> 32) ^ c[3] ^ k1, p0 & M32]
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c


def block(key, a, b):
    return philox(key, [a & M32, a >> 32, b & M32, b >> 32])


def make_key(seed, purpose, site):
    return tuple(block((seed & M32, seed >> 32), purpose, site)[:2])


def below(key, a, b, bound):
    words = block(key, a, b)
    for low, high in ((0, 1), (2, 3)):
        product = (words[high] << 32 | words[low]) * bound
        if product & M64 >= (1 << 64) % bound:
            return product >> 64
    raise ArithmeticError("both rejected")


def permutation(key, a, n):
    p = [0] * n
    for i in range(n):
        j = below(key, a, i, i + 1)
        p[i] = p[j]
        p[j] = i
    return p


# ---------------------------------------------------------------- masks

MASK, VOCAB, SPECIAL = 4, 1000, (0, 2, 3, 4)
PIECES = set(range(700, 1000))  # tokens that go on with a word


def words_of(ids, words):
    """Lists of places, a word each."""
    out = []
    for i, token in enumerate(ids):
        if token in SPECIAL:
            continue
        follows = i and ids[i - 1] not in SPECIAL
        if follows and (words[i] == words[i - 1] if words else token in PIECES):
            out[-1].append(i)
        else:
            out.append([i])
    return out


def mask_row(case, ids, words):
    seed, epoch, row, p = case["seed"], case["epoch"], case["row"], case["probability"]
    if case["copies"]:
        epoch %= case["copies"]
    each, whole = make_key(seed, FOR_MASKING, 0), make_key(seed, FOR_NOISE, row)

    def draw(i):
        return philox(each, [i, row & M32, row >> 32, epoch & M32])

    chosen = set()
    groups = words_of(ids, words)
    if not case["whole_words"] and case["recipe"] != "spanbert":
        groups = [[i] for g in groups for i in g]
    if case["recipe"] == "huggingface":
        for g in groups:
            if draw(g[0])[0] < p * 2**32:
                chosen.update(g)
    elif case["recipe"] == "google":
        wanted = max(1, round(len(ids) * p))
        if case["most"]:
            wanted = min(wanted, case["most"])
        for k in permutation(whole, epoch, len(groups)):
            if len(chosen) + len(groups[k]) <= wanted:
                chosen.update(groups[k])
    else:
        places = [i for g in groups for i in g]
        word_of = {i: w for w, g in enumerate(groups) for i in g}
        wanted, t = math.ceil(len(places) * p), 0
        while len(chosen) < wanted:
            u, anchor = block(whole, epoch, t)[0] / 2**32, places[below(whole, epoch, t + 1, len(places))]
            t += 2
            if anchor in chosen:
                continue
            cumulated = [(1 - 0.8**k) / (1 - 0.8**10) for k in range(1, 11)]
            length = next(k for k, c in enumerate(cumulated, 1) if u < c)
            w = word_of[anchor]
            at = groups[w][0]
            last = groups[min(w + length, len(groups)) - 1][-1]
            while at <= last and len(chosen) < wanted and ids[at] not in SPECIAL:
                chosen.add(at)
                at += 1
    out, label, kind = list(ids), [-100] * len(ids), 0
    for i in sorted(chosen):
        word = draw(i)
        if case["recipe"] != "spanbert" or i - 1 not in chosen:
            kind = word[1] / 2**32
        label[i] = ids[i]
        if kind < case["replaced"]:
            out[i] = MASK
        elif kind < case["replaced"] + case["random"]:
            out[i] = (word[3] | word[2] << 32) * VOCAB >> 64
    return out, label


def some_row(n, seed):
    """[CLS] text [SEP] text [SEP]: words of one to three pieces, and their numbers."""
    r = random.Random(seed)
    ids, words, word = [2], [-1], 0
    while len(ids) < n - 1:
        for k in range(r.choice((1, 1, 1, 2, 2, 3))):
            ids.append(r.randrange(700, 1000) if k else r.randrange(5, 700))
            words.append(word)
        word += 1
        if len(ids) >= n // 2 and 3 not in ids:
            ids.append(3)
            words.append(-1)
            word = 0
    return ids[: n - 1] + [3], words[: n - 1] + [-1]


def masks():
    out = []
    for recipe, whole, replaced, rest in (("huggingface", False, 0.8, 0.1), ("huggingface", True, 1, 0),
                                          ("google", False, 0.8, 0.1), ("google", True, 0.8, 0.1),
                                          ("spanbert", False, 0.8, 0.1)):
        for n, p, most, copies, column in ((24, 0.15, 20, 0, False), (57, 0.15, 0, 0, True), (40, 0.5, 7, 3, False),
                                           (3, 0.15, 20, 0, False), (33, 1.0, 0, 0, False),
                                           (30, 0.15, 20, 0, False)):
            ids, words = some_row(n, n)
            if n == 30:
                ids[ids.index(3) + 1] = 801  # a piece, and nothing before it that it goes on with
            case = {"recipe": recipe, "whole_words": whole, "probability": p, "replaced": replaced, "random": rest,
                    "most": most if recipe == "google" else 0, "copies": copies, "seed": 42 + n, "epoch": 5,
                    "row": n * (1 << 33) + 7}
            case["masked"], case["label"] = mask_row(case, ids, words if column else None)
            out.append({**case, "ids": ids, "words": words if column else None})
    return out


# ---------------------------------------------------------------- spans

def random_spans_helper(inputs, density, mean):
    def lengths(tokens):
        noise = int(round(tokens * density))
        spans = int(round(noise / mean))
        return tokens - noise + spans + 1, noise + spans + 1

    tokens = inputs - 1
    while lengths(tokens + 1)[0] <= inputs:
        tokens += 1
    got, targets = lengths(tokens)
    if density == 0.5 and targets > got:
        return tokens - 1, targets - 1
    return tokens, targets


def counts(n, density, mean):
    n = max(n, 2)
    noise = min(max(round(n * density), 1), n - 1)
    return noise, min(max(round(noise / mean), 1), n - noise)


def segments(key, epoch, draw, n, parts):
    lengths, left = [1], parts - 1
    for places in range(n - 1, 0, -1):
        if left and below(key, epoch, draw + places, places) < left:
            left -= 1
            lengths.append(0)
        lengths[-1] += 1
    return lengths


def corrupt(noise_mask, ids, sentinels, eos):
    """The mask as T5 reads it: each run that is hidden becomes the next sentinel, in the input and turned round."""
    def side(hidden):
        out, n = [], 0
        for i, token in enumerate(ids):
            if not hidden[i]:
                out.append(token)
            elif i == 0 or not hidden[i - 1]:
                out.append(sentinels[n])
                n += 1
        return out + [eos]

    return side(noise_mask), side([not m for m in noise_mask])


def spans():
    out = []
    for n, density, mean in ((568, 0.15, 3), (37, 0.15, 3), (20, 0.5, 2), (10, 0.9, 1), (12, 0.3, 1), (6, 1.0, 3), (2, 0.15, 3), (1, 0.15, 3),
                             (0, 0.15, 3)):
        seed, epoch, row = 7 + n, 3, 12345 + n
        ids, sentinels = [100 + i for i in range(n)], [31 - 2 * i for i in range(10)] if n < 100 else \
            list(range(2000, 1900, -1))
        noise, parts = counts(n, density, mean)
        key = make_key(seed, FOR_NOISE, row)
        hidden = segments(key, epoch, 0, noise, parts)
        texts = segments(key, epoch, 1 << 32, max(n, 2) - noise, parts)
        mask = []
        for t, h in zip(texts, hidden):
            mask += [False] * t + [True] * h
        inputs, targets = corrupt(mask, ids, sentinels, 1)
        out.append({"n": n, "density": density, "mean": mean, "seed": seed, "epoch": epoch, "row": row, "ids": ids,
                    "sentinels": sentinels, "input": inputs, "target": targets})
    return out


def prefixes():
    out = []
    for n in (2, 9, 1, 0, 300):
        key = make_key(n, FOR_NOISE, n + 1)
        out.append({"n": n, "prefix": 1 + below(key, 2, 0, n - 1) if n > 1 else 0})
    return out


# ---------------------------------------------------------------- rates, by the recipes as published

def published_each(r, groups, n, p):
    return [i for g in groups if r.random() < p for i in g]


def published_google(r, groups, n, p, most=20):
    groups, out = list(groups), []
    wanted = min(most, max(1, int(round(n * p))))
    r.shuffle(groups)
    for g in groups:
        if len(out) >= wanted:
            break
        if len(out) + len(g) > wanted:
            continue
        out += g
    return out


def published_spanbert(r, sentence, p):
    """One sentence of words without special tokens: lengths of the words."""
    starts, n = set(), sum(sentence)
    at = 0
    for w in sentence:
        starts.add(at)
        at += w
    lengths = list(range(1, 11))
    weights = [0.2 * 0.8 ** (k - 1) for k in lengths]
    wanted, mask = math.ceil(n * p), set()

    def end(i):
        i += 1
        while i < n and i not in starts:
            i += 1
        return i

    while len(mask) < wanted:
        length, anchor = r.choices(lengths, weights)[0], r.randrange(n)
        if anchor in mask:
            continue
        left = anchor
        while left not in starts:
            left -= 1
        right, words = left, 0
        while words < length and right < n and len(mask) < wanted:
            left, right = right, end(right)
            words += 1
            for i in range(left, right):
                if len(mask) >= wanted:
                    break
                mask.add(i)
    return sorted(mask)


def published_t5(r, n, density, mean):
    noise, parts = counts(n, density, mean)

    def segmentation(items, segments_):
        first = [1] * (segments_ - 1) + [0] * (items - segments_)
        r.shuffle(first)
        out = [1]
        for f in first:
            if f:
                out.append(0)
            out[-1] += 1
        return out

    mask = []
    for t, h in zip(segmentation(n - noise, parts), segmentation(noise, parts)):
        mask += [0] * t + [1] * h
    return [i for i, m in enumerate(mask) if m]


def rates():
    r, draws = random.Random(1), 40000
    lengths = [1, 2, 1, 3, 1, 1, 2, 1, 4, 1, 2, 1, 1, 3, 1, 1, 1, 2]
    n = sum(lengths)
    groups, at = [], 0
    for length in lengths:
        groups.append(list(range(at, at + length)))
        at += length
    tokens = [[i] for i in range(n)]
    ways = {
        "huggingface": lambda: published_each(r, tokens, n + 2, 0.15),
        "huggingface words": lambda: published_each(r, groups, n + 2, 0.15),
        "google": lambda: published_google(r, tokens, n + 2, 0.15),
        "google words": lambda: published_google(r, groups, n + 2, 0.15),
        "spanbert": lambda: published_spanbert(r, lengths, 0.15),
        "spans": lambda: published_t5(r, n, 0.15, 3),
        "spans of half": lambda: published_t5(r, n, 0.5, 3),
    }
    out = {}
    for name, draw in ways.items():
        hits, runs = [0] * n, [0] * 12
        for _ in range(draws):
            chosen = sorted(draw())
            length = 0
            for i in range(n):
                if i in chosen:
                    hits[i] += 1
                    length += 1
                elif length:
                    runs[min(length, 11)] += 1
                    length = 0
            if length:
                runs[min(length, 11)] += 1
        out[name] = {"hits": hits, "runs": runs}
    return {"draws": draws, "words": lengths, "ways": out}


def main():
    helper = [{"input": i, "density": d, "mean": m, "tokens": t, "target": g}
              for i, d, m in ((512, 0.15, 3), (128, 0.15, 3), (256, 0.15, 3), (1024, 0.15, 3), (114, 0.15, 3), (64, 0.15, 3),
                              (512, 0.5, 3), (512, 0.5, 64), (512, 0.15, 32), (512, 0.5, 32), (20, 0.15, 3))
              for t, g in (random_spans_helper(i, d, m),)]
    everything = {"masks": masks(), "spans": spans(), "prefixes": prefixes(), "helper": helper, "rates": rates()}
    print("{" + ",\n".join(json.dumps(k) + ":" + (
        "[" + ",\n ".join(json.dumps(x, separators=(",", ":")) for x in v) + "]" if isinstance(v, list)
        else json.dumps(v, separators=(",", ":"))) for k, v in everything.items()) + "}")


if __name__ == "__main__":
    main()
