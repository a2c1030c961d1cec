#!/bin/bash
# tok --train bpe and unigram, with bytes and without: tokenizers that load, take any text and give it back; the same
# whatever the threads and the memory.
. "$(dirname "$0")/init.sh"

awk 'BEGIN { split("low lower lowest newer wider 한국어 영화는 재미있다 재미없는 영화가 naïve café 1234 talked walking (so) it'"'"'s", w, " ")
    for (i = 0; i < 2000; i++) { s = ""; for (k = 0; k < 8; k++) s = s w[(i * (k + 3) + k * k) % 17 + 1] " "; print s "!" } }' >text
printf '%s\n' 'Völlig neu: 한국어 영화 재미 🤗 (emoji)' 'tabs	and  two spaces' 'ASCII only, it'"'"'s low' >unseen

train() { tok -q --train "$@"; }
while read -r name size options; do
    # shellcheck disable=SC2086
    OMP_NUM_THREADS=1 train $options --vocab-size "$size" -o "$name" text
    # shellcheck disable=SC2086
    OMP_NUM_THREADS=3 train $options --vocab-size "$size" --memory 16M -o again <text
    diff -r "$name" again || fail_ "$options: another tokenizer with other threads and memory"
    for file in tokenizer.json tokenizer_config.json special_tokens_map.json; do
        test -s "$name/$file" || fail_ "$options: $file is missing"
    done
    grep -q '"tokenizer_class": "PreTrainedTokenizerFast"' "$name/tokenizer_config.json" || fail_ "$name: tokenizer_class"
    # what the text is made of is known
    tok -m "$name" --stats text >stats
    grep -q '^unknown_[a-z]*	0$' stats || { cat stats; fail_ "$options: parts of the training's own text are unknown"; }
done <<'END'
bytes 400 bpe
fallback 360 bpe --byte-fallback
unigram 100 unigram
unigram-bytes 350 unigram --byte-fallback
END

# bytes and byte fallback give back every text, also what was never seen
for name in bytes fallback unigram-bytes; do
    head -n 1 unseen >line
    tok -m "$name" line | tok -d >got
    compare_ line got
done
tok -m bytes unseen | tok -d >got
compare_ unseen got
tok -m unigram --pieces unseen >got
grep -q '<unk>' got || fail_ "unigram knows what it has never seen"

# the shapes that users of these models expect
same_ '<|endoftext|>' "$(echo 0 | tok -d --keep-special -m bytes)"
echo low low | tok -m bytes --pieces >got
echo 'low Ġlow' >want
compare_ want got
echo low low | tok -m fallback --pieces >got
echo '<s> ▁low ▁low' >want
compare_ want got
echo low low | tok -m unigram --pieces >got
echo '▁low ▁low </s>' >want
compare_ want got
grep -q '"<0xFF>"' fallback/tokenizer.json || fail_ "--byte-fallback has no bytes"

# options
train bpe --vocab-size 300 --special '<x>' --special '<|endoftext|>' --lowercase --unicode-normalizer nfkc --max-length 77 -o more text
same_ '<x> ! low' "$(echo '<x>！LOW' | tok -m more --pieces)"
grep -q '"model_max_length": 77' more/tokenizer_config.json || fail_ "--max-length is not heard"
train bpe --vocab-size 400 --max-token-length 3 -o short text
tok -m short --pieces text | tr ' ' '\n' | sort -u >got
grep -q '^....' got && fail_ "--max-token-length is not heard"
train bpe --byte-fallback --limit-alphabet 10 --vocab-size 300 -o limited text
tok -m limited --pieces text >got
grep -q '<0x' got || fail_ "what is outside the alphabet is no bytes"
train unigram --character-coverage 0.9 --vocab-size 60 -o covered text
tok -m covered --pieces text >got
grep -q '<unk>' got || fail_ "--character-coverage is not heard"
train unigram --max-token-length 2 --vocab-size 80 -o short text
tok -m short --pieces text | tr ' ' '\n' | grep -v '^<' | sort -u >got
grep -q '^...' got && fail_ "unigram: --max-token-length is not heard"

# little text
echo word word | train bpe --vocab-size 1000 --min-frequency 1 -o word
same_ 'word Ġword' "$(echo word word | tok -m word --pieces)"
echo word | train unigram --vocab-size 1000 -o word
same_ '▁ w o r d </s>' "$(echo word | tok -m word --pieces)" # no part of it is followed by two different characters
printf 'a\n' | train bpe --vocab-size 1000 -o letter
same_ a "$(echo a | tok -m letter --pieces)"
echo word | tok --train bpe --vocab-size 10 -o tiny 2>err
grep -q 'alphabet alone has 257' err || fail_ "a vocabulary smaller than the alphabet is not said"
refuses_ 1 '--vocab-size has to be' train unigram --vocab-size 10 -o none text
for model in bpe unigram; do
    refuses_ 1 'no words' train "$model" -o none /dev/null
done
refuses_ 2 'a wordpiece model has none' train wordpiece --byte-fallback -o none text
refuses_ 2 '--min-frequency' train unigram --min-frequency 3 -o none text
refuses_ 2 'BERT' train wordpiece --unicode-normalizer nfc -o none text
test ! -e none || fail_ "a failed run has left a directory"
