#!/usr/bin/env python3
"""Makes written.json: texts, and what the references of the field measure of them.

BLEU, chrF and TER are sacreBLEU's (2.5.1); ROUGE follows the definitions of rouge-score 0.1.2, whose stemmer is NLTK's.

    python3 tests/unit/written.py >tests/unit/written.json
"""
import collections
import json
import random
import re
import sys

from nltk.stem import porter
from sacrebleu.metrics import BLEU, CHRF, TER

SENTENCES = [
    "The committee agreed on the relational model, and the digitizer was installed in 1998.",
    "Hopefully the airliner's passengers were not hesitating: flying is safe, they replied.",
    "It costs $5.00 (or 4,50 euros), i.e. 3-4 times as much -- \"too much\", he said.",
    "U.S.A. won 3-2 against Korea in the 90th minute; 12,345 people watched it.",
    "A summary of news.\nIt has two lines.\nThe second one is longer than the first.",
    "나는 학교에 가서 책을 읽었다. 그리고 집에 돌아왔다!",
    "한국어의 조사(助詞)는 앞말에 붙여 쓴다, 그래서 어절이 길다.",
    "이 영화 정말 재미있어요ㅋㅋ 별 5개 ★★★★★",
    "我们今天去北京，中文（简体）分词测试 ABC 123！",
    "東京タワーは333mです。とても高い。",
    "«Привет», мир — это №5 ± 3 €10.5 и -5",
    "ΟΔΥΣΣΕΥΣ και ΣΑΣ, Σ. ΣΟΦΙΑΣ",
    "&amp;lt;b&gt; &quot;x&quot; <skipped>hyphen-\nated",
    "a.b,c 1.5,2 3-4 5-x (hi) [x] {y} `q` 'tis ~ ^ _ | \\ / @",
    "١٢٣٫٤ ½ ² 👍🏽 ❤️ naïve façade İstanbul ﬁne",
    "\u2001x\u2003\u00a0y\x1cz\u3000w\x85v \u2028 end.",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
    "yes", "", "  ", "."]
SUFFIXES = """s es ies sses ss ed ing eed ied y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism
iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement
ment ent ion ou ism ate iti ous ive ize e ll l""".split()
BEGINNINGS = "a b x y tr oat yy say toy rel cond val hes dig conf rad diff vil ana viet pred op feud dec hop cal sens geo hopp fall fizz".split()
IRREGULAR = "sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed dies flies".split()


def changed(text, words, draw):
    w = text.split(" ")
    for _ in range(draw.randint(0, max(1, len(w) // 3))):
        at, how = draw.randrange(len(w) + 1), draw.random()
        if how < .25:
            w[at:at + 1] = [draw.choice(words)]
        elif how < .5:
            w[at:at + 1] = []
        elif how < .7:
            w[at:at] = [draw.choice(words)]
        elif how < .9:
            run = w[at:at + draw.randint(1, 5)]
            del w[at:at + len(run)]
            to = draw.randint(0, len(w))
            w[to:to] = run
        else:
            w[at:at + 1] = [x.swapcase() for x in w[at:at + 1]]
    return " ".join(w)


def words_of(text, stemmer):
    words = re.split(r"\s+", re.sub(r"[^a-z0-9]+", " ", text.lower()))
    words = [stemmer.stem(w) if stemmer and len(w) > 3 else w for w in words]
    return [w for w in words if re.fullmatch("[a-z0-9]+", w)]


def f1(both, reference, own):
    precision, recall = both / max(own, 1), both / max(reference, 1)
    return 2 * precision * recall / (precision + recall) if both else 0.


def runs(words, n):
    return collections.Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))


def table(a, b):
    t = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for k, y in enumerate(b):
            t[i + 1][k + 1] = t[i][k] + 1 if x == y else max(t[i][k + 1], t[i + 1][k])
    return t


def subsequence(a, b):
    t, i, k, found = table(a, b), len(a), len(b), set()
    while i and k:
        if a[i - 1] == b[k - 1]:
            i, k = i - 1, k - 1
            found.add(i)
        elif t[i][k - 1] > t[i - 1][k]:
            k -= 1
        else:
            i -= 1
    return found


def rouge(own, reference, stemmer):
    p, t = words_of(own, stemmer), words_of(reference, stemmer)
    values = {}
    for n in (1, 2):
        a, b = runs(t, n), runs(p, n)
        values["rouge%d" % n] = f1(sum((a & b).values()), sum(a.values()), sum(b.values()))
    values["rougeL"] = f1(table(t, p)[-1][-1], len(t), len(p))
    lines = [words_of(x, stemmer) for x in own.split("\n") if x]
    left, right, both = collections.Counter(p), collections.Counter(t), 0
    for line in [words_of(x, stemmer) for x in reference.split("\n") if x]:
        for i in sorted(set().union(*[subsequence(line, x) for x in lines])):
            if left[line[i]] and right[line[i]]:
                left[line[i]] -= 1
                right[line[i]] -= 1
                both += 1
    values["rougeLsum"] = f1(both, len(t), len(p))
    return values


def main():
    draw = random.Random(20)
    words = " ".join(SENTENCES).split()
    texts, references = [], [[], []]
    for i in range(3 * len(SENTENCES)):
        sentence = SENTENCES[i % len(SENTENCES)]
        texts.append(changed(sentence, words, draw) if i >= len(SENTENCES) else sentence)
        for r in references:
            r.append(changed(sentence if draw.random() < .9 else draw.choice(SENTENCES), words, draw))
    for i in range(24):  # few words, of which long runs are shifted
        own = [draw.choice("a b c d e f g".split()[:3 + i % 5]) for _ in range(15 + 5 * i)]
        texts.append(" ".join(own))
        for r in references:
            at, n, to = draw.randrange(len(own)), draw.randint(1, 14), draw.randrange(len(own))
            rest = own[:at] + own[at + n:]
            r.append(" ".join(rest[:to] + own[at:at + n] + [draw.choice("abc")] * (i % 3) + rest[to:]))
    stemmer = porter.PorterStemmer()
    means = {}
    for s in (None, stemmer):
        rows = [[rouge(t, r[i], s) for r in references] for i, t in enumerate(texts)]
        means[s] = {k: sum(max(x[k] for x in row) for row in rows) / len(rows) for k in rows[0][0]}
    sets = []

    def add(options, metric, name):
        sets.append({"options": options, "values": {name: metric.corpus_score(texts, references).score}})

    for tokens in ("13a", "intl", "char", "zh", "none"):
        add({"metrics": "bleu", "tokenize": tokens}, BLEU(tokenize=tokens, force=True), "bleu")
    for smooth, value in (("floor", None), ("floor", .5), ("add-k", None), ("add-k", 2), ("none", None)):
        options = {"metrics": "bleu", "smooth": smooth, **({"smooth_value": value} if value else {})}
        add(options, BLEU(smooth_method=smooth, smooth_value=value, force=True), "bleu")
    add({"metrics": "bleu", "lowercase": True}, BLEU(lowercase=True, force=True), "bleu")
    add({"metrics": "chrf"}, CHRF(), "chrf")
    add({"metrics": "chrf", "lowercase": True}, CHRF(lowercase=True), "chrf")
    add({"metrics": "chrf++"}, CHRF(word_order=2), "chrf++")
    add({"metrics": "ter"}, TER(), "ter")
    sets.append({"options": {"metrics": "rouge"}, "values": means[None]})
    sets.append({"options": {"metrics": "rouge", "stemmer": True}, "values": means[stemmer]})
    rows = [[m.sentence_score(t, [r[i] for r in references]).score
             for m in (BLEU(effective_order=True, force=True), CHRF(word_order=2), TER())] for i, t in enumerate(texts)]
    stems = {w: stemmer.stem(w) for w in IRREGULAR + [b + s for b in BEGINNINGS for s in SUFFIXES]}
    out = {"texts": texts, "references": references, "sets": sets, "rows": rows, "stems": stems}
    json.dump(out, sys.stdout, ensure_ascii=True, separators=(",", ":"))
    print()


main()
