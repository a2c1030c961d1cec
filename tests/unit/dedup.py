#!/usr/bin/env python3
"""Makes dedup.json: what datatrove's recipe for near duplicates gives, step by step, from an implementation of its own.

    python3 tests/unit/dedup.py >tests/unit/dedup.json

It needs numpy (whose random numbers are part of the recipe), regex and xxhash.
"""
import json
import random
import re
import unicodedata

import numpy
import regex
import xxhash

PRIME = (1 << 61) - 1
# what the recipe's own list of punctuation holds beside ASCII's and control characters
OTHERS = "«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～"
PUNCTUATION = {c: " " for c in
               [*range(9), 11, 12, *range(13, 33 - 1), *range(33, 48), *range(58, 65), *range(91, 97), *range(123, 160),
                *map(ord, OTHERS)]}


def simplify(text):
    text = regex.sub(r"\p{Nd}+([.,،٫⎖⎗⎘]\p{Nd}+)?", "0", text.lower())
    text = re.sub(r"\s+", " ", text.translate(PUNCTUATION).strip())
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return text.strip()


def words_of(text):
    return [w for w in simplify(text).split(" ") if w]


def functions(seed, count):
    state = numpy.random.RandomState(seed)
    return ([int(x) for x in state.randint(1, PRIME, dtype=numpy.uint64, size=count)],
            [int(x) for x in state.randint(0, PRIME, dtype=numpy.uint64, size=count)])


def signature(text, ngram, seed, count):
    words = words_of(text)
    shingles = [xxhash.xxh64_intdigest(" ".join(words[i:i + ngram])) for i in range(len(words) - ngram + 1)]
    a, b = functions(seed, count)
    return [min(((s * x + y) % (1 << 64)) % PRIME for s in shingles) for x, y in zip(a, b)] if shingles else None


TEXTS = [
    "", " ", "one two three four", "one two three four five",
    "The quick brown fox jumps over the lazy dog, and the dog -- 12,345.67 times! -- does nothing.",
    "Crème brûlée, naïve façade; İstanbul ve Iğdır. ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ΑΣ. ΑΣ' Σ'Α Α.Σ Α.ΣΑ",
    "안녕하세요, 저는 학생입니다. 오늘은 2024년 1월 3.5일입니다!! ㅋㅋㅋㅋ 정말로요？",
    unicodedata.normalize("NFD", "안녕하세요, 저는 학생입니다. 값이 싸고 맛있어요 넋을 잃었다 ㅠㅠ"),
    "tabs\tand\nnew\r\nlines\u00a0and\u3000blanks \u2003 here\x01\x07and\x85controls\x9f\x7f",
    "١٢٣٤٫٥ ١٬٢ 1.2.3.4 1,2, 3. 4 ３．１４ ⎖1⎖2 v2.0",
    "a\u0323\u0307 b\u0307\u0323 \u302e\u302f\u1d165 q\U0001d165\U0001d16d\U0001d165 \u0300x \u0300 y ệ ḍ̇",
    "日本語のテキストは、単語の間に空白がない。「はい」とガギグ ｶﾞ",
    "😀 emoji 👩‍👩‍👧 ﬁne ﬀ Ǆ ǅ ß ẞ Å Å µ Ω «¡hola!» ¿qué? ·점·",
]


def nasty(rng):
    pool = ["a", "B", "Z", " ", "  ", "\t", "\n", ".", ",", "'", "-", "1", "23", "0.5", "Σ", "σ", "É", "e\u0301", "İ", "가", "힣",
            "ㅋ", "\u1112\u1161\u11ab", "\u0323", "\u0307", "\u302e", "\u3000", "’", "·", "「", "٣", "߁", "ệ", "\u00ad", "\u200b"]
    return "".join(rng.choice(pool) for _ in range(rng.randrange(1, 60)))


def roots(texts, ngram=5, seed=1, buckets=14, hashes=8):
    """The first record of the cluster that each is in."""
    root = list(range(len(texts)))
    signatures = [signature(t, ngram, seed, buckets * hashes) for t in texts]
    for bucket in range(buckets):
        first = {}
        for i, s in enumerate(signatures):
            if s:
                other = first.setdefault(tuple(s[bucket * hashes:(bucket + 1) * hashes]), i)
                low, high = sorted((root[other], root[i]))
                root = [low if r == high else r for r in root]
    return root


def changed(words, rng, share):
    return [rng.choice(vocabulary) if rng.random() < share else w for w in words]


def jaccard(x, y, ngram):
    sets = []
    for text in (x, y):
        words = words_of(text)
        sets.append({tuple(words[i:i + ngram]) for i in range(len(words) - ngram + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


rng = random.Random(7)
texts = TEXTS + [nasty(rng) for _ in range(60)]
long = " ".join("word%d" % rng.randrange(500) for _ in range(700))
a, b = functions(1, 112)
vocabulary = [x + y for x in "abcdefgh" for y in "aeiou"]
one = [rng.choice(vocabulary) for _ in range(120)]
two = one[:70] + [rng.choice(vocabulary) for _ in range(50)]
corpus = []
for share in (0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.5):
    for _ in range(6):
        words = [rng.choice(vocabulary) for _ in range(rng.randrange(3, 160))]
        corpus += [" ".join(changed(words, rng, share)) for _ in range(4)]
rng.shuffle(corpus)
print(json.dumps({
    "simplified": [[t, " ".join(words_of(t))] for t in texts],
    "functions": {"seed": 1, "a": [str(x) for x in a[:3] + a[-1:]], "b": [str(x) for x in b[:3] + b[-1:]]},
    "signatures": [{"text": t, "ngram": n, "seed": s, "signature": [str(x) for x in signature(t, n, s, c)] if signature(t, n, s, c) else None}
                   for t, n, s, c in [(TEXTS[2], 5, 1, 112), (TEXTS[3], 5, 1, 112), (TEXTS[4], 5, 1, 112), (TEXTS[6], 3, 1, 20),
                                      (TEXTS[7], 1, 42, 7), (long, 5, 1, 33)]],
    "jaccard": [{"texts": [" ".join(one), " ".join(two)], "ngram": n, "similarity": jaccard(" ".join(one), " ".join(two), n)}
                for n in (1, 2, 5)],
    "corpus": corpus, "roots": roots(corpus),
}, ensure_ascii=True, indent=0))
