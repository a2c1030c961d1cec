#!/usr/bin/env python3
"""Makes quality.json: what the published quality filters say of texts at both sides of each threshold, from a reading of
their own of Rae et al. 2021 (table A1), Raffel et al. 2020, Penedo et al. 2024 and datatrove's filters.

    python3 tests/unit/quality.py >tests/unit/quality.json

Words are cut by regular expressions in spaCy's way, here for English, Latin-1 and Hangul only.
"""
import json
import re
from collections import Counter

# ---------------------------------------------------------------- words

LOWER, UPPER, BOTH = "a-zß-öø-ÿ", "A-ZÀ-ÖØ-Þ", "가-힣"
ALPHA = LOWER + UPPER + BOTH
EDGE = "…,:;!?¿¡()[]{}<>_#*&。？！，、；：～·'\"”“`‘´’‚„»«「」『』（）《》〈〉—–"
QUOTE = re.escape("'\"”“`‘´’‚,„»«「」『』（）《》〈〉")
MONEY = "$£€¥₩"
UNITS = "km²|km/h|km|cm|mm|m|kg|g|GB|MB|KB|GB|ft|%"
PREFIX = re.compile(rf"\+(?![0-9])|\.\.+|(?:US|C|A)\$|[§%=—–{MONEY}{re.escape(EDGE)}]")
SUFFIX = re.compile(rf"(?:\.\.+|['’][sS]|(?<=[0-9])\+|(?<=[0-9])(?:{UNITS}|[{MONEY}])|"
                    rf"(?<=[0-9{LOWER}{BOTH}%²+{re.escape(EDGE)}-])\.|(?<=[{UPPER}{BOTH}][{UPPER}{BOTH}])\.|[{re.escape(EDGE)}])$")
INFIX = re.compile(rf"\.\.+|…|(?<=[0-9])[-+*^](?=[0-9-])|(?<=[{LOWER}{BOTH}{QUOTE}])\.(?=[{UPPER}{BOTH}{QUOTE}])|"
                   rf"(?<=[{ALPHA}]),(?=[{ALPHA}])|(?<=[{ALPHA}0-9])(?:-|–|—|--|---|——|~)(?=[{ALPHA}])|"
                   rf"(?<=[{ALPHA}0-9])[:<>=/](?=[{ALPHA}])")
URL = re.compile(r"^(?:[\w+.-]{2,}://)?(?:\S+@)?(?:[A-Za-z0-9][\w-]*\.)+[a-z]{2,63}(?::\d{2,5})?(?:[/?#]\S*)?$")
SPECIAL = {"don't": ["do", "n't"], "don’t": ["do", "n’t"], "Don't": ["Do", "n't"], "Don’t": ["Do", "n’t"], "it's": ["it", "'s"], "cannot": ["can", "not"],
           "I'm": ["I", "'m"], "Im": ["I", "m"], "they'll": ["they", "'ll"], "shouldn't've": ["should", "n't", "'ve"],
           "Mr.": ["Mr."], "Dr.": ["Dr."], "e.g.": ["e.g."], "p.m.": ["p.m."], "10am": ["10", "am"], "let's": ["let", "'s"], ":)": [":)"],
           "and/or": ["and/or"], "gonna": ["gon", "na"]}


def cut(chunk):
    before, behind = [], []
    while chunk and chunk not in SPECIAL:
        pre = PREFIX.match(chunk)
        pre = pre.end() if pre else 0
        if pre and chunk[pre:] in SPECIAL:
            before.append(chunk[:pre])
            chunk = chunk[pre:]
            break
        suf = SUFFIX.search(chunk[pre:])
        suf = suf.end() - suf.start() if suf else 0
        if suf and chunk[:-suf] in SPECIAL:
            behind.append(chunk[-suf:])
            chunk = chunk[:-suf]
            break
        if not pre and not suf:
            break
        before += [chunk[:pre]] if pre else []
        behind += [chunk[len(chunk) - suf:]] if suf else []
        chunk = chunk[pre:len(chunk) - suf]
    middle, start = [], 0
    if chunk in SPECIAL:
        middle = SPECIAL[chunk]
    elif chunk and URL.match(chunk):
        middle = [chunk]
    elif chunk:
        for m in INFIX.finditer(chunk):
            if m.start() == 0:
                continue
            middle += [chunk[start:m.start()], m.group()]
            start = m.end()
        middle.append(chunk[start:])
    return before + [w for w in middle if w] + behind[::-1]


def words_of(text):
    return [w for chunk in text.split() for w in cut(chunk)]


def sentences_of(text):
    """Sentences as spaCy's sentencizer finds them: white space beyond one blank is a token."""
    tokens = []
    for part in re.findall(r"\s+|\S+", text):
        if part.isspace():
            tokens += [part[1:]] if tokens and part[0] == " " and len(part) > 1 else [] if part == " " and tokens else [part]
        else:
            tokens += cut(part)
    count, stopped = len(tokens) > 0, False
    for t in tokens:
        if t in STOPS:
            stopped = True
        elif stopped and not all(c in PUNCT for c in t):
            count, stopped = count + 1, False
    return int(count)


STOPS = set("!.?。！？")
PUNCT = set("!.?。！？,:;'\"()[]{}-–—…“”‘’#*&_/@%·「」")                    # category P, of what stands in the texts below
SYMBOLS = STOPS | set("/—”:％&(、\\【#%「」，】；+^]~“„';’{|[=-`*–（：$»<>)…@_\"}«,")  # of datatrove's PUNCTUATION

# ---------------------------------------------------------------- filters

STOP_WORDS = {"en": "the be to of and that have with".split(),
              "ko": "의 다 이 는 에 을 한 년 하 은 를 했 고 에서 가 있 으로 인 월 로 되".split()}
ENGLISH, KOREAN = 0, 1
THRESHOLDS = {
    "gopher-quality": {
        "min-doc-words": (50, 50), "max-doc-words": (100000, 100000), "min-avg-word-length": (3, 1), "max-avg-word-length": (10, 6),
        "max-symbol-word-ratio": (.1, .1), "max-bullet-lines-ratio": (.9, .9), "max-ellipsis-lines-ratio": (.3, .3),
        "min-alpha-words-ratio": (.8, .791), "min-stop-words": (2, 2)},
    "gopher-repetition": {
        "dup-line-frac": (.3, .374), "dup-para-frac": (.3, 0), "dup-line-char-frac": (.2, 0), "dup-para-char-frac": (.2, 0),
        "top-2-gram": (.2, .282), "top-3-gram": (.18, .228), "top-4-gram": (.16, .185), "dup-5-gram": (.15, .201),
        "dup-6-gram": (.14, .184), "dup-7-gram": (.13, .168), "dup-8-gram": (.12, .154), "dup-9-gram": (.11, .14),
        "dup-10-gram": (.1, .127)},
    "c4": {"min-num-sentences": (5, 5), "min-words-per-line": (3, 3), "max-word-length": (1000, 1000)},
    "fineweb": {"line-punct-thr": (.12, .062), "short-line-thr": (.67, 0), "short-line-length": (30, 30),
                "char-duplicates-ratio": (.01, .1), "new-line-ratio": (.3, .196)},
}


def share(a, b):
    return a / b if b else 0


def stop_words_in(words, language, korean):
    found = set()
    for w in words:
        ends = [w[i:] for i in range(len(w))] if korean and "가" <= w[0] <= "힣" else [w]
        found.update([e for e in ends if e in STOP_WORDS[language]][:1])
    return len(found)


def gopher_quality(text, t, korean):
    words = words_of(text)
    real = [w for w in words if any(c not in SYMBOLS for c in w)]
    yield "min-doc-words", len(real), len(real) < t["min-doc-words"]
    yield "max-doc-words", len(real), len(real) > t["max-doc-words"] > 0
    mean = share(sum(map(len, real)), len(real))
    yield "min-avg-word-length", mean, mean < t["min-avg-word-length"]
    yield "max-avg-word-length", mean, mean > t["max-avg-word-length"] > 0
    for symbols in text.count("#"), text.count("...") + text.count("…"):
        yield "max-symbol-word-ratio", share(symbols, len(words)), share(symbols, len(words)) > t["max-symbol-word-ratio"] > 0
    lines = text.splitlines()
    bullets = share(sum(line.lstrip()[:1] in ("•", "-") and bool(line.strip()) for line in lines), len(lines))
    yield "max-bullet-lines-ratio", bullets, bullets > t["max-bullet-lines-ratio"] > 0
    ellipses = share(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines))
    yield "max-ellipsis-lines-ratio", ellipses, ellipses > t["max-ellipsis-lines-ratio"] > 0
    letters = share(sum(any(c.isalpha() for c in w) for w in words), len(words))
    yield "min-alpha-words-ratio", letters, letters < t["min-alpha-words-ratio"]
    found = stop_words_in(words, "ko" if korean else "en", korean)
    yield "min-stop-words", min(found, int(t["min-stop-words"])), found < t["min-stop-words"]


def repeated(parts):
    seen, again = set(), []
    for p in parts:
        if p in seen:
            again.append(p)
        seen.add(p)
    return len(again), sum(map(len, again))


def gopher_repetition(text, t, korean):
    for name, parts in ("para", re.split(r"\n{2,}", text.strip())), ("line", re.split(r"\n+", text)):
        count, chars = repeated(parts)
        yield f"dup-{name}-frac", count / len(parts), count / len(parts) > t[f"dup-{name}-frac"] > 0
        yield f"dup-{name}-char-frac", chars / len(text), chars / len(text) > t[f"dup-{name}-char-frac"] > 0
    words = words_of(text)
    for n in 2, 3, 4:
        grams = Counter(" ".join(words[i:i + n]) for i in range(len(words) - n + 1)).most_common(1)
        chars = sum(len(gram) * count for gram, count in grams)
        yield f"top-{n}-gram", chars / len(text), chars / len(text) > t[f"top-{n}-gram"] > 0
    for n in range(5, 11):
        seen, chars, i = set(), 0, 0
        while i <= len(words) - n:
            gram = "".join(words[i:i + n])
            chars += len(gram) if gram in seen else 0
            i += n if gram in seen else 1
            seen.add(gram)
        yield f"dup-{n}-gram", chars / len(text), chars / len(text) > t[f"dup-{n}-gram"] > 0


def c4(text, t, korean):
    kept, sentences = [], 0
    for line in text.splitlines():
        line = line.strip()
        words = line.split()
        if any(len(w) > t["max-word-length"] for w in words):
            continue
        line = re.sub(r"\[\d*\]|\[edit\]|\[citation needed\]", "", line)
        if not re.search(r"[.?!\"']$", line) or line.endswith("...") or len(words) < t["min-words-per-line"]:
            continue
        if "lorem ipsum" in line.lower():
            yield "filter-lorem-ipsum", 1, True
        if "javascript" in line.lower():
            continue
        if "{" in line:
            yield "filter-curly-bracket", 1, True
        if re.search(r"terms of use|(privacy|cookie) policy|uses? cookies|use of cookies", line.lower()):
            continue
        sentences += sentences_of(line)
        kept.append(line)
    yield "min-num-sentences", sentences, sentences < t["min-num-sentences"]
    yield "\n".join(kept).strip(), 0, None


def fineweb(text, t, korean):
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        yield "line-punct-thr", 0, True
        return
    stops = sum(line[-1] in STOPS for line in lines) / len(lines)
    yield "line-punct-thr", stops, stops < t["line-punct-thr"]
    short = sum(len(line) <= t["short-line-length"] for line in lines) / len(lines)
    yield "short-line-thr", short, short > t["short-line-thr"] > 0
    chars = repeated(lines)[1] / len(text.replace("\n", ""))
    yield "char-duplicates-ratio", chars, chars > t["char-duplicates-ratio"] > 0
    ends = text.count("\n") / len(words_of(text))
    yield "new-line-ratio", ends, ends > t["new-line-ratio"] > 0


def judge(name, text, korean=False, **settings):
    """A case: what the filter of that name says of a text, with some thresholds set anew."""
    t = {k: v[korean] for k, v in THRESHOLDS[name].items()}
    t.update({k.replace("_", "-"): v for k, v in settings.items()})
    case = {"filter": name + "".join(f":{k.replace('_', '-')}={v}" for k, v in settings.items()), "text": text}
    for threshold, found, drops in globals()[name.replace("-", "_")](text, t, korean):
        if drops is None:
            case["becomes"] = threshold
        elif drops:
            return case | {"threshold": threshold, "found": found}
    return case


# ---------------------------------------------------------------- texts

NOUNS = "river stone harbour letter garden winter market engine painter window valley candle ladder bridge forest island mirror " \
        "pocket shadow summer ticket violin wagon yellow zebra anchor basket castle dragon eagle".split()


def prose(n, first=0):
    """n different words, two stop words among them, with a full stop after each ten."""
    words = ["the" if i % 7 == 0 else "of" if i % 7 == 3 else NOUNS[(i + first) % len(NOUNS)] + "abcdefghij"[(i + first) // 31 % 10] for i in range(n)]
    return " ".join(w + "." if i % 10 == 9 else w for i, w in enumerate(words))


KO = "서울은 한국의 수도이고 사람들이 많이 사는 도시이다. 강을 따라 공원에서 아이들이 놀고 있다. 봄에는 꽃이 피고 여름에는 비가 자주 내린다. "


def eojeols(n):
    ends = ["은", "에서", "을", "의", "으로"]
    return " ".join("가나다라마바사아자차"[i % 10] + "고노도로모보소오조초"[i // 10 % 10] + ends[i % 5] + ("." if i % 10 == 9 else "") for i in range(n))


def quality_cases():
    f = "gopher-quality"
    for n in 49, 50:
        yield judge(f, prose(n))
        yield judge(f, prose(n), min_doc_words=0)
    for n in 60, 61:
        yield judge(f, prose(n), max_doc_words=60)
    for length, wide in ("ab", 0), ("abc", 0), ("abcdefghij", 0), ("abcdefghij", 1):
        yield judge(f, " ".join([length] * 59 + [length + "k" * wide]), min_stop_words=0)
    for n in 5, 6:  # 54 words and as many full stops and signs
        yield judge(f, prose(50) + " # x" * n, max_symbol_word_ratio=.08, min_alpha_words_ratio=0)
        yield judge(f, prose(50) + " x..." * n, max_symbol_word_ratio=.08, min_alpha_words_ratio=0)
        yield judge(f, prose(50) + " x…" * n, max_symbol_word_ratio=.08, min_alpha_words_ratio=0)
    for bullets, plain in (9, 1), (10, 1):
        yield judge(f, "\n".join([" - " + prose(6, i) for i in range(bullets)] + [prose(6, 40)] * plain), min_alpha_words_ratio=0)
        yield judge(f, "\r\n".join(["•" + prose(6, i) for i in range(bullets)] + [prose(6, 40)] * plain), min_alpha_words_ratio=0)
    for dots in 3, 4:
        yield judge(f, "\n".join([prose(9, i) + (".. . " if i % 2 else "... ") for i in range(dots)] + [prose(9, i) for i in range(10 - dots)]))
        yield judge(f, "\n".join([prose(9, i) + "... " for i in range(dots)] + [prose(9, i) for i in range(10 - dots)]))
        yield judge(f, "\x85".join([prose(9, i) + "…" for i in range(dots)] + [prose(9, i) for i in range(10 - dots)]))
    for n in 12, 13, 14:
        yield judge(f, prose(52).replace(".", "") + " 2024" * n)
    for stop in "", " the", " the of", " The Of", " the the":
        yield judge(f, " ".join(NOUNS + [n + "s" for n in NOUNS]) + stop)
    for n in 49, 50:
        yield judge(f, eojeols(n), True)
    yield judge(f, KO * 4, True)
    yield judge(f, "가나다라마바 " * 60, True, min_stop_words=0)
    yield judge(f, "가나다라마바 " * 59 + "가나다라마바사 ", True, min_stop_words=0)
    yield judge(f, "가나 다라 마바 " * 20, True)
    yield judge(f, "가나은 다라 마바 " * 20, True)
    yield judge(f, "가나은 다라에서 마바 " * 20, True)
    yield judge(f, "")


def repetition_cases():
    f = "gopher-repetition"
    off = {k.replace("-", "_"): 0 for k in THRESHOLDS[f]}
    def only(threshold, text, **more):
        return judge(f, text, **(off | {threshold.replace("-", "_"): THRESHOLDS[f][threshold][0]} | more))
    for again in 3, 4:
        lines = [prose(8, 3 * i) for i in range(10 - again)]
        yield judge(f, "\n".join(lines + lines[:1] * again))
        yield judge(f, "\n\n".join(lines + lines[:1] * again) + "\n")
        yield judge(f, "\n\n".join(lines + lines[:1] * again))
        yield only("dup-line-char-frac", "\n".join(lines + lines[:1] * (again - 2)))
        yield only("dup-para-char-frac", "\n\n\n".join(lines + lines[:1] * (again - 2)))
    yield judge(f, "\nabc\n")
    for n in 2, 3, 4:
        for times in range(1, 11):
            phrase = " ".join("alpha beta gamma delta".split()[:n])
            yield judge(f, prose(40) + "".join(f" between{i} {phrase}" for i in range(times)),
                        **(off | {f"top_{n}_gram": THRESHOLDS[f][f"top-{n}-gram"][0]}))
    for n in range(5, 11):
        for more in range(0, 78, 6):
            phrase = prose(n, 5).replace(".", "")
            yield judge(f, phrase + " " + prose(10 + more, 50) + " " + phrase, **(off | {f"dup_{n}_gram": THRESHOLDS[f][f"dup-{n}-gram"][0]}))
    yield judge(f, "every day we see the sea and everyday wesee these a", **(off | {"dup_5_gram": .1}))
    yield judge(f, "ab c de f gh x abc d e fg h", **(off | {"dup_5_gram": .1}))
    for text in "I am your father.\n" * 4, "I am Frank, I am Frank, I am Frank", prose(200), eojeols(90), KO:
        yield judge(f, text, "가" <= text[0] <= "힣")
    yield judge(f, (KO + "\n") * 2, True)
    yield judge(f, "\n".join(eojeols(100).split(".")) + "\n" + KO, True)


def c4_cases():
    f = "c4"
    good = [prose(9, i).capitalize() + "." for i in range(5)]
    yield judge(f, "\n".join(good[:4]))
    yield judge(f, "\n".join(good))
    yield judge(f, " ".join(good))
    yield judge(f, "\r\n".join(["  Menu", good[0], "Too short.", good[1], "No stop at all here"] + good[2:]))
    for line in ("Please enable JavaScript to read this.", "See our Privacy Policy for more.", "This site uses cookies a lot.",
                 "We use cookies every single day.", "Read the terms of use here.", "To be continued...", "He said so, \"yes\"",
                 "This is 'it'", "Is this one kept?", "Lorem ipsum dolor sit amet.", "int main() { return 0; }.",
                 "That was then.[12] And this[edit] is now.[citation needed]", "Not a citation [sic] here.", "Ends with one. [3]",
                 "x" * 1000 + " is kept here.", "x" * 1001 + " is not kept.", "Two words.", "Three words. Here?", "[] is [] empty, is it?",
                 "가나 다라 마바사.", "가나 다라 마바사。", "Blanks  are  tokens.   Are they? [1]  Yes."):
        yield judge(f, "\n".join(good + [line]))
    yield judge(f, "\n".join(good[:1] * 3), min_num_sentences=3)
    yield judge(f, "One. Two. Three! Four? \"Five.\" Six...", min_num_sentences=6, min_words_per_line=0)
    for n in 2, 3:
        yield judge(f, "Dr. Who met Mr. Spock at 5 p.m. on 3.14.\nIt was e.g. fine there.", min_num_sentences=n)


def fineweb_cases():
    f = "fineweb"
    long = [prose(9, i) + " and so on" for i in range(40)]
    for stops in 2, 3, 4:
        yield judge(f, "\n".join(line + "." * (i < stops) for i, line in enumerate(long[:25])))
    yield judge(f, "\n".join(line + ". " for line in long[:5]))
    for short in 66, 67, 68:
        yield judge(f, "\n".join([f"{i} " + prose(4, i)[:20] + "!" for i in range(short)] + [long[i % 40] + f" {i}." for i in range(100 - short)]),
                    new_line_ratio=0)
    for n in 29, 30, 31:
        yield judge(f, "\n".join("x" * (n - 3) + f"{i:02}." for i in range(10)), new_line_ratio=0)
    for n in 40, 160:
        yield judge(f, "\n".join([prose(n, 3) + "."] + [prose(n, i) + " it is." for i in range(4)] + ["A line that comes again, always.", "", "A line that comes again, always."]))
    for n in 2, 3:
        yield judge(f, "\n".join(" ".join(NOUNS[(i + k) % 30] + "verymuchlonger" for k in range(n)) + f"{i}." for i in range(20)))
    for n in 3, 4, 5:
        yield judge(f, "\n".join(" ".join(eojeols(90).replace(".", "").split(" ")[i:i + n]) + "." for i in range(20)), True)
    for stops in 1, 2:
        yield judge(f, "\n".join(eojeols(90).replace(".", "") + f" {i}" + "." * (i < stops) for i in range(20)), True, char_duplicates_ratio=0)
    yield judge(f, "")
    yield judge(f, " \n\t\n")
    yield judge(f, KO + "\n" + eojeols(40), True)


WORDS = ["I don't think (it's) fine.", "Don’t shouldn't've cannot Im gonna", "U.S.A. and UK. and U.S. e.g. Mr. Smith", "$10.5 or 10km/h, 5GB 10% 3m 10$ 7€",
         "hello--world well-known mother-in-law 3-4 3-a a–b A-1", "http://a.com/b?x=1. mail me@host.org (see www.host.com/x)", "foo... ...bar a...b …x…y",
         "one,two 1,000 a:b a=b x/y 1/2 and/or 4*5 2^3", "\"quoted\" 'single' ‘x’ [12] {a} <b>", "10am they'll let's James's dogs' :)",
         "서울은 한국의 수도이다.", "그는 “안녕”이라고 말했다. 정말?네!", "값은 ₩3,000이다(세금 포함).", "C$5 A$6 US$7 +5 + 5+ +a", "a.B c.d 가.나 X.Y", "", " \t ", "tab\tnext\u00a0nbsp\u3000wide",
         "Yes. No!  What?! \"Ja.\" ok", "Ends.  ", "...", ". . a"]

print(json.dumps({
    "words": [{"text": t, "words": words_of(t), "sentences": sentences_of(t)} for t in WORDS],
    "filters": [*quality_cases(), *repetition_cases(), *c4_cases(), *fineweb_cases()],
}, ensure_ascii=False, indent=0))
