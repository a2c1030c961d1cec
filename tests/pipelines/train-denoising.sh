#!/bin/bash
# What is hidden of a text to be predicted: T5's spans, prefixes, and the recipes of masking.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
below() { # LIMIT VALUE
    awk -v limit="$1" -v value="$2" 'BEGIN { exit !(value != "" && value < limit) }' || fail_ "$2 is not below $1"
}
head -n 20 corpus.txt >held.txt
sed 1,20d corpus.txt >rest.txt

# ---- span corruption: a T5 of words, pretrained on bare text
sentinels=
for i in {0..15}; do sentinels="$sentinels --special <extra_id_$i>"; done
tok -q --train unigram --vocab-size 180 $sentinels -o pieces rest.txt
tok -q -m pieces rest.txt >rows.lms
tok -q -m pieces held.txt >held.lms
t5="-a t5 --layers 2 --width 32 --heads 2 --dropout 0 -b 16 --learning-rate 3e-3"
pretrain $t5 --objective span-corruption -e 2 --eval held.lms --eval-steps 30 --log log.jsonl -o t5 rows.lms 2>err
grep -qE 'first example.*<extra_id_0>.*</s> -> «<extra_id_0>.*</s>»$' err || fail_ "$(grep first err)"
! grep -q 'teaches where a text ends' err || fail_ "input and target end"
grep -q '"T5ForConditionalGeneration"' t5/config.json
grep -q '^| mean-span-length | 3 |' t5/README.md
below 3.5 "$(last eval_loss log.jsonl)" # of 180 pieces: ln 180 is 5.2
same_ 1 "$(sed -n 's/.*"eval_tokens":\([0-9]*\).*/\1/p' log.jsonl | sort -u | wc -l)" # the same spans each time

# micro-batches, threads and a stop in between change nothing, or next to nothing
run="$t5 --objective span_corruption --max-steps 8 --noise_density 0.3 --mean_noise_span_length 2.5"
pretrain $run -q -o whole --log whole.jsonl rows.lms
pretrain $run -q -o threads -j 2 rows.lms
cmp whole/model.safetensors threads/model.safetensors
pretrain $run -q -o parts --log parts.jsonl --micro-tokens 40 rows.lms
awk -v a="$(last loss whole.jsonl)" -v b="$(last loss parts.jsonl)" 'BEGIN { exit !((a - b) ^ 2 < 1e-8) }' ||
    fail_ "$(last loss whole.jsonl) and $(last loss parts.jsonl)"
pretrain $run -q -o half --checkpoint ck --save-steps 3 rows.lms
rm -r half
pretrain $run -q -o half --checkpoint ck --save-steps 3 --resume rows.lms
cmp whole/model.safetensors half/model.safetensors
refuses_ 2 'has --mean-span-length 2.5' pretrain $t5 --objective span-corruption --max-steps 8 --mlm-probability 0.3 -o half \
    --checkpoint ck --save-steps 3 --resume rows.lms
pretrain $run --plan rows.lms >plan 2>/dev/null
awk '{ v[$1] = $2 } END { exit !(v["rows"] == 880 && v["memory_mib"] > 0) }' plan || fail_ "$(cat plan)"

# as it comes through a pipe, and with rows of another stream
pretrain $run -q -o piped --epochs 1 --shuffle-window 50 --eval held.lms --log piped.jsonl <rows.lms
test -n "$(last eval_loss piped.jsonl)"
pretrain $run -q -o mixed --replay held.lms=0.5 rows.lms

# rows that are not cut into so few spans as there are sentinels; a tokenizer that has none
tr '\n' ' ' <rest.txt | tok -q -m pieces >long.lms
refuses_ 1 'hidden spans, and the tokenizer has 16 <extra_id_...>' pretrain $t5 --objective span-corruption -q -o x long.lms
pretrain $t5 --objective span-corruption --block-size 64 --max-steps 2 -o packed long.lms 2>err
grep -q 'first example.*<extra_id_' err || fail_ "$(cat err)"
refuses_ 1 'tokens have 28 hidden spans, and the tokenizer has 16' pretrain $t5 --objective span-corruption --block-size 512 -q -o x \
    long.lms
tok -q --train unigram --vocab-size 160 -o bare rest.txt
tok -q -m bare rest.txt >bare.lms
refuses_ 1 'the tokenizer has no <extra_id_0>' pretrain $t5 --objective span-corruption -q -o x bare.lms
refuses_ 2 'span-corruption masks no tokens' pretrain $t5 --objective span-corruption --masking google -q -o x rows.lms
refuses_ 2 'unknown task' pretrain $small --objective span-corruption -q -o x corpus.lms

# ---- prefixes: for a second stack, and for a decoder
pretrain $t5 --objective prefix-lm --max-steps 5 -q -o prefix rows.lms
pretrain $t5 --objective prefix-lm --max-steps 1 -o prefix rows.lms 2>err
grep -qE 'first example.*</s> -> «.*</s>»$' err || fail_ "$(grep first err)"
tok -q --train bpe --vocab-size 300 --special '<|endoftext|>' -o bpe rest.txt
tok -q -m bpe --eos rest.txt >next.lms
gpt="-a gpt2 --layers 2 --width 32 --heads 2 --max-length 128 -b 16"
pretrain $gpt --objective prefix_lm --max-steps 2 -o gpt next.lms 2>err
grep -qE 'first example.*: [a-z ]+«.*<\|endoftext\|>»$' err || fail_ "$(grep first err)"
! grep -q 'teaches where a text ends' err || fail_ "rows end"
grep -q '"GPT2LMHeadModel"' gpt/config.json

# ---- recipes of masking
for way in '--masking google' '--masking bert --whole_word_mask --dupe-factor 10 --max_predictions_per_seq 5' \
    '--masking spanbert' '--whole-word-mask' '--mask_replace_prob 0.5 --random_replace_prob 0.5'; do
    pretrain $small $way --max-steps 3 -q -o one -j 1 corpus.lms
    pretrain $small $way --max-steps 3 -o two -j 2 corpus.lms 2>err
    cmp one/model.safetensors two/model.safetensors
    grep -q 'first example.*«.*»' err || fail_ "$way: $(cat err)"
done
pretrain $small --max-steps 3 -q -o plain corpus.lms
! cmp -s one/model.safetensors plain/model.safetensors || fail_ "other shares, and the same weights"
# copies: the third epoch has the masks of the first
for epoch in 1 2 3; do
    pretrain $small --masking google --dupe-factor 2 -e $epoch --no-shuffle --learning-rate 0 --logging-steps 1 -q -o copies \
        --dropout 0 --schedule constant --warmup-ratio 0 -b 900 --log $epoch.jsonl corpus.lms
done
same_ "$(last loss 1.jsonl)" "$(last loss 3.jsonl)"
! test "$(last loss 1.jsonl)" = "$(last loss 2.jsonl)" || fail_ "two copies, and one loss"
# words of a vocabulary without ##: only the stream knows them
mkdir letters
{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z}; tr ' ' '\n' <corpus.txt | LC_ALL=C sort -u; } |
    awk '!seen[$0]++' >letters/vocab.txt
tok -q -m letters corpus.txt >letters.lms
refuses_ 1 'row 1: nothing tells where words begin' pretrain $small --whole-word-mask -q -o x letters.lms
tok -q -m letters --word-ids corpus.txt >letters-words.lms
pretrain $small --whole-word-mask --max-steps 2 -q -o words letters-words.lms
# a run goes on with its recipe
pretrain $small --masking spanbert --max-steps 4 --save-steps 2 --checkpoint masked -q -o x corpus.lms
rm -r x
refuses_ 2 'has --masking "spanbert", and now it is "google"' pretrain $small --masking google --max-steps 4 --save-steps 2 \
    --checkpoint masked --resume -q -o x corpus.lms
refuses_ 2 'are more than 1 together' pretrain $small --mask-replace-prob 0.8 --random-replace-prob 0.3 -q -o x corpus.lms
refuses_ 2 '--masking huggingface has no such limit' pretrain $small --max-predictions 5 -q -o x corpus.lms
refuses_ 2 'clm masks no tokens' pretrain $gpt --whole-word-mask -q -o x next.lms
refuses_ 2 'mlm hides no spans' pretrain $small --mean-span-length 2 -q -o x corpus.lms
refuses_ 2 'other tokens are hidden in every epoch' finetune -m plain --task mlm --cache-frozen --freeze embeddings -q -o x corpus.lms
finetune -m plain --task mlm --masking google --whole-word-mask --max-steps 2 -q -o tuned corpus.lms
grep -q '^| whole-word-mask | true |' tuned/README.md
