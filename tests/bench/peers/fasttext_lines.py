#!/usr/bin/python3
"""csv rows (label first, no header) as fastText's lines: lower case, punctuation apart, as its own example has them.

    fasttext_lines.py news.csv [ROWS]
"""
import csv
import itertools
import re
import sys

with open(sys.argv[1], newline="", encoding="utf-8") as f:
    for row in itertools.islice(csv.reader(f), int(sys.argv[2]) if len(sys.argv) > 2 else None):
        text = re.sub(r"[\"\\\s]+", " ", " ".join(row[1:]).lower())
        print("__label__" + row[0], re.sub(r"([.!?,'();:&#-])", r" \1 ", text))
