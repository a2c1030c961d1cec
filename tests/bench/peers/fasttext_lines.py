#!/usr/bin/python3
"""The rows of a token stream as fastText's lines: its label, then its words, punctuation apart as in fastText's own example.

    tok -d train.lms | fasttext_lines.py train.lms >train.txt

So fastText sees the same rows, as their tokens read.
"""
import re
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from torch_bert import read_tokens  # noqa: E402

for row, line in zip(read_tokens(sys.argv[1])[1], sys.stdin):
    words = re.sub(r"([.!?,'();:&#-])", r" \1 ", re.sub(r"[\"\\\s]+", " ", line))
    print("__label__" + re.sub(r"\s", "_", str(row[2])), " ".join(words.split()))
