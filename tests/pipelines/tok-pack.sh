#!/bin/bash
# tok: rows that overlap (--stride), and rows that are packed (--pack).
. "$(dirname "$0")/init.sh"

mkdir bert gpt
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} >bert/vocab.txt
cp bert/vocab.txt gpt/
# a tokenizer without a template, with an end of text
{
    printf '{"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":{"[UNK]":0,"<eos>":1'
    i=2
    for c in {a..z}; do printf ',"%s":%d' $c $i; i=$((i + 1)); done
    printf '}},"pre_tokenizer":{"type":"Whitespace"},"added_tokens":[{"id":1,"content":"<eos>","special":true}]}'
} >gpt/tokenizer.json
rm gpt/vocab.txt
echo '{"eos_token":"<eos>"}' >gpt/tokenizer_config.json

# ---- stride
echo 'a b c d e f g' >text
tok -q -m bert --max-length 5 --stride 1 --pieces text >got
printf '%s\n' '[CLS] a b c [SEP]' '[CLS] c d e [SEP]' '[CLS] e f g [SEP]' >want
compare_ want got
tok -q -m bert --max-length 5 --stride 0 --truncation-side left --pieces text >got
printf '%s\n' '[CLS] e f g [SEP]' '[CLS] b c d [SEP]' '[CLS] a [SEP]' >want
compare_ want got
printf '{"text":"q q","pair":"a b c d e","label":"x"}\n' >pair.jsonl
tok -q -m bert --max-length 8 --stride 1 --truncation only_second --pieces pair.jsonl >got
printf '%s\n' '[CLS] q q [SEP] a b c [SEP]' '[CLS] q q [SEP] c d e [SEP]' >want
compare_ want got
tok -q -m bert --max-length 8 --stride 1 --truncation only_second pair.jsonl | lms --view >view
same_ '0 0' "$(grep '^  row' view | awk '{ print $2 }' | paste -sd' ')"
same_ 2 "$(grep -c 'label "x"' view)"
refuses_ 1 'text:1: stride 3: only 3 tokens of this text fit in a row' tok -q -m bert --max-length 5 --stride 3 --ids text
refuses_ 2 'nothing is cut' tok -q -m bert --stride 3 --truncation none --ids text

# ---- concatenate and cut: the end of text between texts, nothing lost but the last row
printf 'a b c\nd e\n\nf g h i j k\n' >docs
tok -q -m gpt --pack 4 --pieces docs >got
printf '%s\n' 'a b c <eos>' 'd e <eos> f' 'g h i j' 'k <eos>' >want
compare_ want got
tok -q -m gpt --pack 4 --drop-last --pieces docs >got
head -n 3 want | compare_ - got
tok -q -m gpt --pack 4 --no-eos --pieces docs >got
printf '%s\n' 'a b c d' 'e f g h' 'i j k' >want
compare_ want got
tok -q -m gpt --eos --pieces docs >got
printf '%s\n' 'a b c <eos>' 'd e <eos>' 'f g h i j k <eos>' >want
compare_ want got
tok -q -m gpt --eos --max-length 4 --pieces docs >got
printf '%s\n' 'a b c <eos>' 'd e <eos>' 'f g h <eos>' >want
compare_ want got
tok -q -m bert --pack 6 --pieces docs >got # its template ends a text
printf '%s\n' '[CLS] a b c [SEP] [CLS]' 'd e [SEP] [CLS] f g' 'h i j k [SEP]' >want
compare_ want got
refuses_ 1 'no end of text (eos_token)' tok -q -m bert --no-special --pack 6 docs >/dev/null
refuses_ 1 'no end of text (eos_token)' tok -q -m bert --eos docs >/dev/null
refuses_ 2 'Give --pack N' tok -q -m gpt --drop-last docs
refuses_ 2 'about one text' tok -q -m gpt --pack 4 --offsets docs
refuses_ 2 'leave it out' tok -q -m gpt --pack 4 --pack-strategy best-fit --drop-last docs

# the bounds of the texts travel along, and can be cut by rows
tok -q -m gpt --pack 4 docs >packed.lms
lms --check packed.lms >/dev/null
lms --view packed.lms >view
same_ '4;3 1;4;2' "$(grep '^  seq_lengths' view | sed 's/^  seq_lengths //' | paste -sd';')"
same_ '0 1 2 2' "$(grep '^  row' view | awk '{ print $2 }' | paste -sd' ')"
lms --head 2 packed.lms | lms --view | grep -q '  seq_lengths 3 1' || fail_ "rows are not cut with their bounds"

# ---- best fit: whole texts, the fullest rows that they make; long ones are parted
printf 'a b c d e\nf\ng h\ni j k\nl m n o p q r\n' >docs
tok -q -m gpt --pack 6 --pack-strategy best-fit --json docs >got
cat >want <<'END'
{"row":0,"ids":[2,3,4,5,6,1],"tokens":["a","b","c","d","e","<eos>"],"seq_lengths":[6]}
{"row":1,"ids":[7,1,10,11,12,1],"tokens":["f","<eos>","i","j","k","<eos>"],"seq_lengths":[2,4]}
END
head -n 2 got >first
compare_ want first
same_ 'a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r' "$(grep -o '"[a-z]"' got | tr -d '"' | sort | paste -sd,)"
same_ 4 "$(wc -l <got)" # 23 tokens in rows of 6

# ---- the same for any number of threads; no token is lost; best fit wastes little
awk 'BEGIN { srand(7); for (i = 0; i < 20000; i++) { n = int(rand() * rand() * 60) + 1; s = ""
    for (k = 0; k < n; k++) s = s sprintf("%c ", 97 + int(rand() * 26)); print s } }' >many
all=$(tok -q -m gpt --eos --ids many | wc -w)
for how in wrapped best-fit; do
    OMP_NUM_THREADS=1 tok -q -m gpt --pack 64 --pack-strategy $how --ids many >one
    OMP_NUM_THREADS=3 tok -q -m gpt --pack 64 --pack-strategy $how --ids many >three
    cmp one three || fail_ "$how depends on the threads"
    same_ "$all" "$(wc -w <one)"
    awk 'NF > 64 { exit 1 }' one || fail_ "$how makes rows that are too long"
    rows=$(wc -l <one)
    test "$rows" -le $((all / 64 + all / 6400 + 2)) || fail_ "$how makes $rows rows of $all tokens"
done
OMP_NUM_THREADS=2 tok -q -m gpt --pack 64 --pack-strategy best-fit many >one
lms --check one >/dev/null
