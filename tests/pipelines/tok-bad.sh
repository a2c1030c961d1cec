#!/bin/bash
# tok: what is wrong in the input, the tokenizer or the output is said, with the right exit status.
. "$(dirname "$0")/init.sh"

mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the cat sat on mat >bert/vocab.txt
printf 'the cat\n' >text

# ---- vocabularies
mkdir crlf && sed 's/$/\r/' bert/vocab.txt >crlf/vocab.txt
tok -m bert text | grep -ao '"xxh3":"[0-9a-f]*","behaviour' >want
tok -m crlf text | grep -ao '"xxh3":"[0-9a-f]*","behaviour' >got
compare_ want got
mkdir twice && cat bert/vocab.txt - <<<"cat" >twice/vocab.txt
tok -m twice --no-special --ids text >got 2>err
same_ "5 10" "$(cat got)"
grep -q 'vocab.txt:11: "cat" stands on line 7 already' err || fail_ "a token that comes twice is not said"
mkdir bare && printf 'the\ncat\n' >bare/vocab.txt
refuses_ 1 'lacks "[CLS]"' tok -m bare --ids text
mkdir empty && : >empty/vocab.txt
refuses_ 1 'vocabulary is empty' tok -m empty --ids text
mkdir nothing
refuses_ 1 'no tokenizer here' tok -m nothing --ids text
refuses_ 1 'cannot open the tokenizer' tok -m nowhere --ids text
refuses_ 2 'which tokenizer' tok --ids text

# ---- tokenizer.json
json() { mkdir -p json && printf '%s' "$1" >json/tokenizer.json; }
model='"model":{"type":"WordPiece","vocab":{"[UNK]":0,"the":1,"cat":5}}'
json "{$model}"
tok -m json --no-special --ids text >got 2>err && same_ "0" "$(cat got)" # no pre-tokenizer: one word
json "{$model,\"pre_tokenizer\":{\"type\":\"Whitespace\"}}" # a hole in the ids is no fault
same_ "1 5" "$(tok -m json --ids text)"
json "{$model"
refuses_ 1 'tokenizer.json:1:' tok -m json --ids text
json "{$model,$model}"
refuses_ 1 'tokenizer.json:1:' tok -m json --ids text
json "{$model,\"normalizer\":{\"type\":\"Sorcery\"}}"
refuses_ 1 'needs: normalizer "Sorcery"' tok -m json --ids text
json '{"model":{"type":"Markov","vocab":{}}}'
refuses_ 1 'needs: model "Markov"' tok -m json --ids text
json '{"model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":0}}}'
refuses_ 1 'id 0 belongs to two tokens' tok -m json --ids text
json '{"model":{"vocab":{"a":0},"merges":[]}}' # older files do not name the type
same_ 0 "$(echo a | tok -m json --ids)"
echo '{"model_max_length": 1000000000000000019884624838656, "x": "1000000000000000019884624838656"}' >bert/tokenizer_config.json
same_ 600 "$(awk 'BEGIN { for (i = 0; i < 600; i++) printf "the " }' | tok -m bert --no-special --ids | wc -w)"
rm bert/tokenizer_config.json
if test -n "$data"; then
    needs_data_ data/bad/llama2-tokenizer-corrupt.json data/bad/fixtures/crlf_vocab.txt
    returns_ 1 tok --tokenizer "$data/data/bad/llama2-tokenizer-corrupt.json" --ids text 2>err
    cp "$data/data/bad/fixtures/crlf_vocab.txt" crlf/vocab.txt
    tok -m crlf --pieces text >got
    same_ '[CLS] the cat [SEP]' "$(cat got)"
fi

# ---- the input
: >none
tok -m bert none >got
grep -aq '"end":{"records":0,"examples":0' got || fail_ "an empty input is not an empty stream"
same_ "" "$(tok -m bert --ids none)"
printf 'the \xff\xfe cat\nthe \xe4\xb8 cat\n' >invalid
tok -m bert --no-special --ids invalid >got 2>err
printf '5 6\n5 6\n' >want # U+FFFD is taken out as BERT does
compare_ want got
grep -q 'invalid:1: invalid UTF-8' err || fail_ "invalid UTF-8 is not said"
refuses_ 1 'invalid:1: ' tok -m bert --strict --ids invalid
printf 'the\n\xff\ncat\n' >invalid
tok -q -m bert --strict --rejects rejects --no-special --ids invalid >got 2>err
printf '5\n6\n' >want
compare_ want got
grep -q '"line":2,' rejects || fail_ "the rejected line is not in the file"
printf 'the\0cat \0 cat\n' >nul
tok -m bert --no-special --ids nul >got 2>err
test "$(wc -l <got)" = 1 || fail_ "a NUL byte ends a line"
printf 'a,b,c\n1,2,3\n4,5\n' >ragged.csv
refuses_ 1 'ragged.csv:3' tok -m bert --header yes --text a --ids ragged.csv
refuses_ 1 'cannot open' tok -m bert --ids missing.txt
printf '{"text": 5}\n{"text": \n' >broken.jsonl
returns_ 1 tok -m bert --ids broken.jsonl >got 2>err

# a row that cannot be encoded is told of by the file that it was in, though the next one is being read
mkdir level
echo '{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"[UNK]"}}' >level/tokenizer.json
printf 'a\na\nzz\n' >first.txt
seq 2000 | sed 's|.*|b|' >second.txt
refuses_ 1 'first.txt:3: a part of the text' tok -m level -j2 --ids first.txt second.txt
# and rejected rows come in the order of the records, whether their bytes or their words are wrong
for i in $(seq 3000); do printf 'a %d\n\xff\na b a b a b a b a b a b a b a b a b a b a b a b\n' $i; done >mixed
seq 3000 | awk '{ print 3 * $1 - 2; print 3 * $1 - 1 }' >want
for threads in 1 3; do
    rm -f rejects
    tok -q -m level -j$threads --strict --rejects rejects --ids mixed >got 2>err
    test "$(uniq got)" = "0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1" || fail_ "other rows are written"
    sed 's/.*"line":\([0-9]*\).*/\1/' rejects | sort -n >sorted
    compare_ want sorted
    cp rejects rejects-$threads
done
compare_ rejects-1 rejects-3

# a line of 40 MB without a space, and one with many
head -c 40000000 /dev/zero | tr '\0' x >huge
echo >>huge
same_ "1" "$(tok -m bert --no-special --ids huge)"
head -c 12000000 /dev/zero | sed 's/\x00/x /g' >huge
same_ "16" "$(tok -m bert --ids --max-length 16 huge | wc -w)"

# ---- whoever reads our tokens learns that something was wrong
tok -m bert --strict invalid 2>err >cut.lms && fail_ "invalid UTF-8 passes"
grep -aq '"abort":{"by":"tok","why":"invalid:2' cut.lms || fail_ "no abort record"
refuses_ 3 'invalid:2' tok -d cut.lms
tok -m nowhere text >cut.lms 2>err && fail_ "a missing tokenizer passes"
grep -aq '"abort":{' cut.lms || fail_ "no abort record where the tokenizer is missing"
tok -m bert text >whole.lms
head -c 256 whole.lms >short.lms
returns_ 3 tok -d -m bert short.lms 2>err
returns_ 3 tok -d -m bert -o back.txt short.lms 2>err
test ! -e back.txt || fail_ "half a result stands under the final name"
returns_ 1 tok -m bert --require-end --ids text >got 2>err
grep -q 'require-end' err || fail_ "--require-end is not named"
printf '5 x\n' >ids
refuses_ 1 'ids:1' tok -d -m bert ids
printf '99\n' >ids
refuses_ 1 'ids:1: id 99' tok -d -m bert ids

# ---- ended by a signal: the stream says so, and the shell, too
mkfifo slow
tok -m bert slow >cut.lms 2>err &
pid=$!
exec 9>slow
printf 'the cat\n' >&9
sleep 0.5
kill -TERM $pid
status=0
wait $pid || status=$?
exec 9>&-
same_ 143 "$status"
grep -aq '"abort":{' cut.lms || fail_ "no abort record after a signal"

# ---- the output
returns_ 1 tok -m bert text >&- 2>err
refuses_ 1 'No space left' tok -m bert --max-length 0 --ids huge >/dev/full
refuses_ 1 'No space left' tok -m bert text >/dev/full
refuses_ 2 'different outputs' tok -m bert --ids --json text
set +o pipefail
yes 'the cat' | head -n 300000 | tok -m bert --ids | head -n 1 >got
status=("${PIPESTATUS[@]}")
set -o pipefail
same_ 141 "${status[2]}"
tok -m bert -o keep.lms text
refuses_ 1 'cannot open' tok -m bert -o keep.lms missing.txt
cmp keep.lms <(tok -m bert -o keep.lms text; cat keep.lms)
