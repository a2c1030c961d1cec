#!/bin/bash
# tok --train: the same tokenizer whatever the threads; one that loads; nothing half-made.
. "$(dirname "$0")/init.sh"

awk 'BEGIN { split("low lower lowest newer wider widest Naïve 한국어 unaffordable walking talked talking", w, " ")
    for (i = 0; i < 3000; i++) { s = ""; for (k = 0; k < 8; k++) s = s w[(i * (k + 3) + k * k) % 12 + 1] " "; print s "!" } }' >text

train() { tok -q --train wordpiece "$@"; }
OMP_NUM_THREADS=1 train --vocab-size 90 -o one text
for threads in 2 5; do
    OMP_NUM_THREADS=$threads train --vocab-size 90 -o some text
    diff -r one some || fail_ "another tokenizer with $threads threads"
done
train --vocab-size 90 -o some <text
diff -r one some || fail_ "another tokenizer from standard input"
split -n l/3 text part.
train --vocab-size 90 -o some part.aa part.ab part.ac
diff -r one some || fail_ "another tokenizer from parts"

for file in tokenizer.json tokenizer_config.json special_tokens_map.json vocab.txt; do
    test -s "one/$file" || fail_ "$file is missing"
done
same_ 90 "$(wc -l <one/vocab.txt)"
printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n' >want
head -n 6 one/vocab.txt >got
compare_ want got
grep -qx low one/vocab.txt || fail_ "the most frequent word is no token"
grep -qx 'naive' one/vocab.txt || fail_ "accents stay"

# all that was written says the same
tok -m one --ids text >want
rm -r some && mkdir some && cp one/vocab.txt one/tokenizer_config.json some
tok -m some --ids text >got
cmp want got || fail_ "vocab.txt cuts otherwise than tokenizer.json"
same_ "$(tok -m one text | grep -ao '"xxh3":"[^}]*' | head -n 1)" "$(tok -m some text | grep -ao '"xxh3":"[^}]*' | head -n 1)"
tok -m one --stats text | grep -qx 'unknown_tokens	0' || fail_ "words of the training text are unknown"

# options
train --vocab-size 90 --no-lowercase --special '<x>' --special '<y>' --max-length 64 -o cased text
printf '<x>\n<y>\n' >want
sed -n 6,7p cased/vocab.txt >got
compare_ want got
grep -q 'ï' cased/vocab.txt || fail_ "accents are taken off where the case stays"
same_ '<x>' "$(echo ' <x> ' | tok -m cased --no-special --pieces)"
same_ 64 "$(awk 'BEGIN { for (i = 0; i < 500; i++) printf "low " }' | tok -m cased --ids | wc -w)"
train --vocab-size 1000 --min-frequency 100000 -o rare text
test "$(wc -l <rare/vocab.txt)" -lt 90 || fail_ "--min-frequency does nothing"
train --vocab-size 40 --limit-alphabet 10 -o small text 2>err
same_ 40 "$(wc -l <small/vocab.txt)"
train --vocab-size 10 -o tiny text 2>err
grep -q 'alphabet alone' err || fail_ "a vocabulary smaller than the alphabet is not said"
printf '{"body":"low low"}\n{"body":"low low lower"}\n' >text.jsonl
train --vocab-size 30 --text body -o fields text.jsonl
grep -qx low fields/vocab.txt || fail_ "--text is not heard"
grep -q d fields/vocab.txt && fail_ "names of fields are taken for text"

# a failure leaves what was there
refuses_ 1 'no words' train --vocab-size 90 -o one /dev/null
refuses_ 1 'cannot open' train --vocab-size 90 -o one missing.txt
refuses_ 2 'Give -o DIR' train text
train --vocab-size 90 -o again text
diff -r one again || fail_ "a failed run changed the directory"
same_ "" "$(find . -name '*.tmp*' -o -name '.one*')"
