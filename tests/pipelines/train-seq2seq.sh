#!/bin/bash
# Texts that are written for texts: tok --target, finetune --task seq2seq, score; what a second stack means for freezing; and
# T5's other heads. English in, Korean out.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

korean() { # FILE: csv of label and text to pairs
    awk -F, 'BEGIN { w["sport"] = "운동 경기"; w["business"] = "경제 소식"; w["weather"] = "오늘 날씨" }
        NR > 1 { printf "{\"translation\":{\"en\":\"%s\",\"ko\":\"%s\"},\"topic\":\"%s\"}\n", $2, w[$1], $1 }' "$1"
}
korean train.csv >train.jsonl
korean test.csv >test.jsonl
sed 's/.*"en":"\([^"]*\)".*"ko":"\([^"]*\)".*/\1\n\2/' train.jsonl >both.txt
tok -q --train unigram --vocab-size 160 -o pieces both.txt
pair="--text .translation.en --target .translation.ko"
tok -q -m pieces $pair train.jsonl >train.lms
tok -q -m pieces $pair test.jsonl >test.lms
echo '{"model_type":"t5","d_model":32,"d_kv":16,"d_ff":64,"num_layers":2,"num_heads":2,"dropout_rate":0.0,
    "relative_attention_num_buckets":8,"relative_attention_max_distance":16}' >t5.json
f() {
    finetune --task seq2seq -b 16 --learning-rate 3e-3 -q "$@"
}
value() { # NAME FILE: of a report
    awk -F'\t' -v name="$1" '$1 == name { print $2 }' "$2"
}
near() { # A B TOLERANCE
    awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d <= most && d >= -most) }' ||
        fail_ "line ${BASH_LINENO[0]}: $1 and $2 differ"
}

# ---- what tok makes of a pair
tok -q -m pieces $pair --max-target-length 3 --json test.jsonl >short
grep -q '"target_ids":\[[0-9]*,[0-9]*,1\],"truncated":true' short || fail_ "$(head -n 1 short)"
tok -q -m pieces $pair --pieces test.jsonl >words
grep -qP '</s>\t▁.*</s>$' words
tok -q -m pieces --target .translation.ko --text .translation.en --ids test.jsonl | cut -f2 | sort -u | wc -l | grep -qx 3
printf 'one,하나\ntwo,\n' >table.csv # a table without a header: by number; an empty cell is a missing target
refuses_ 1 'table.csv:2: the target is missing' tok -m pieces --header no --text 1 --target 2 -o out.lms table.csv
tok -q -m pieces --header no --text 1 --target 2 --rejects bad.jsonl --ids table.csv >rows 2>err
same_ 1 "$(wc -l <rows)"
grep -q 'the target is missing' bad.jsonl
refuses_ 1 'no field `.translation.fr`' tok -m pieces --text .translation.en --target .translation.fr -o out.lms test.jsonl
refuses_ 2 '--target: a row has one text' tok -m pieces $pair --pack 32 -o out.lms test.jsonl
refuses_ 2 '--max-target-length: of which text' tok -m pieces --max-target-length 3 -o out.lms test.jsonl

# ---- learned from random weights; measured between steps and by score
f -a t5 --config t5.json --tokenizer pieces -e 2 --eval test.lms --log log.jsonl -o s2s train.lms 2>err
grep -q '"T5ForConditionalGeneration"' s2s/config.json
score -q -m s2s test.lms >report
awk -v a="$(value accuracy report)" 'BEGIN { exit !(a > 0.95) }' || fail_ "$(cat report)"
near "$(value loss report)" "$(sed -n 's/.*"eval_loss":\([-0-9.e]*\).*/\1/p' log.jsonl | tail -n 1)" 1e-6
same_ $((150 * 7)) "$(value labelled report)"
score -q -m s2s --batch-tokens 1 test.lms >again
near "$(value loss report)" "$(value loss again)" 1e-6
score -q -m s2s --emit predictions,loss,logprobs --tsv test.lms >lines
grep -qP '^운동 경기\t0\.' lines || fail_ "$(head -n 2 lines)"
# a row's loss is the mean of its tokens' log-probabilities; columns are as long as the target
awk -F'\t' '{ n = split($3, p, " "); s = 0; for (i in p) s -= p[i]; d = s / n - $2; if (n != 7 || d > 2e-6 || d < -2e-6) bad = 1 }
    END { exit bad }' lines || fail_ "$(head -n 2 lines)"
score -q -m s2s --emit logits,logprobs,hidden,predictions --top 3 test.lms >out.lms
lms --check out.lms >/dev/null 2>&1
lms --head 2 out.lms | lms --view >seen
grep -q 'field prediction "' seen
# rows without a target are read, but have nothing to be measured
tok -q -m pieces --text .translation.en test.jsonl >bare.lms
refuses_ 1 'no row has a label' score -q -m s2s bare.lms
refuses_ 1 "no target_ids" score -q -m s2s --emit logprobs -o out.lms bare.lms
score -q -m s2s --emit pooled bare.lms | lms --check >/dev/null 2>&1
refuses_ 1 'no target_ids column' finetune --task seq2seq -m s2s -o out bare.lms

# ---- the same bytes for any number of threads; the same numbers however a step is cut; resumed
f -m s2s -j 1 --max-steps 6 --dropout 0.1 -o one train.lms
f -m s2s -j 2 --max-steps 6 --dropout 0.1 -o two train.lms
cmp one/model.safetensors two/model.safetensors
f -m s2s --max-steps 6 --micro-tokens 100 --log cut.jsonl -o cut train.lms
f -m s2s --max-steps 6 --log whole.jsonl -o whole train.lms
loss() {
    sed -n 's/^{"loss":\([-0-9.e]*\).*/\1/p' "$1" | tail -n 1
}
near "$(loss cut.jsonl)" "$(loss whole.jsonl)" 1e-5
f -m s2s --max-steps 6 --save-steps 2 --checkpoint ck -o saved train.lms
rm -rf ck/checkpoint-6
f -m s2s --max-steps 6 --save-steps 2 --checkpoint ck --resume -o resumed </dev/null
cmp saved/model.safetensors resumed/model.safetensors
finetune -m s2s --task seq2seq -b 16 --plan train.lms >plan 2>/dev/null
grep -qP '^memory_mib\t[1-9]' plan

# ---- stacks: names, levels, and an encoder that runs once
list() {
    finetune -m s2s --task seq2seq --list-parameters "$@" 2>/dev/null | awk -F'\t' 'NR > 1 { print $1, $3 }'
}
list --freeze encoder >list
! grep -E '^encoder.* yes$|^(decoder|shared).* no$' list || fail_ "--freeze encoder"
list --freeze layer.1 >list # block 1 of both stacks, and no module layer.1 of block 0
same_ "$(grep -c 'coder.block.1.* no' list)" "$(grep -c ' no$' list)"
list --freeze decoder.layer.0 >list
same_ "$(grep -c '^decoder.block.0' list)" "$(grep -c ' no$' list)"
list --unfreeze-every 1e >list
grep -q '^decoder.final_layer_norm.weight yes$' list
grep -q '^decoder.block.1.layer.0.SelfAttention.q.weight from epoch 2$' list
grep -q '^encoder.final_layer_norm.weight from epoch 4$' list
grep -q '^shared.weight from epoch 6$' list
frozen="--freeze embeddings,encoder -e 2 --max-train-samples 200"
f -m s2s $frozen --log plain.jsonl -o plain train.lms
finetune -m s2s --task seq2seq -b 16 --learning-rate 3e-3 $frozen --cache-frozen --log kept.jsonl -o kept train.lms 2>err
grep -q 'the embeddings and 2 blocks have run once over 200 rows' err || fail_ "$(cat err)"
near "$(loss plain.jsonl)" "$(loss kept.jsonl)" 1e-5

# ---- the other heads, from the same weights
tok -q -m s2s --text .translation.en --label topic train.jsonl >topics.lms
finetune -m s2s --task classify -b 16 -e 1 --learning-rate 3e-3 -q -o topics topics.lms 2>err
grep -q '"T5ForSequenceClassification"' topics/config.json
score -q -m topics topics.lms >report
awk -v a="$(value accuracy report)" 'BEGIN { exit !(a > 0.9) }' || fail_ "$(cat report)"
grep -aq '"transformer.decoder.block.0' topics/model.safetensors
printf 'Kim B-PER\nwon O\n\nthe O\nmatch O\n' >tags.conll
tok -q -m s2s tags.conll >tags.lms
finetune -m s2s --task tag --max-steps 2 -q -o tagger tags.lms 2>err
grep -q '"T5ForTokenClassification"' tagger/config.json
! grep -aq 'decoder\.block' tagger/model.safetensors || fail_ "a tagger with a decoder"
score -q -m tagger tags.lms >report
score -q -m s2s --task encoder --emit hidden test.lms 2>/dev/null | lms --check >/dev/null 2>&1
pretrain -a t5 --config t5.json --tokenizer pieces --objective seq2seq --max-steps 2 -q -o new train.lms
grep -q '"num_layers": 2' new/config.json

# ---- what cannot be served is named
bad() { # TEXT SED: config.json, changed, is refused with the text
    rm -rf bad
    cp -r s2s bad
    sed -i "$2" bad/config.json
    refuses_ 1 "$1" score -q -m bad test.lms
}
bad 'num_layers: 0' 's/"num_layers": 2/"num_layers": 0/'
bad 'relative_attention_max_distance: 4' 's/\(max_distance": \)16/\14/'
bad 'relative_attention_num_buckets: 3' 's/\(num_buckets": \)8/\13/'
bad 'feed_forward_proj: "gated-gelu-new"' 's/\(feed_forward_proj": \)"relu"/\1"gated-gelu-new"/'
bad 'dense_act_fn' 's/\(dense_act_fn": \)"relu"/\1"swishy"/'
bad 'decoder_start_token_id: 5000' 's/\(decoder_start_token_id": \)0/\15000/'
bad 'tie_encoder_decoder' 's/"d_kv"/"tie_encoder_decoder": true, "d_kv"/'
bad 'd_kv' 's/"d_kv": 16/"d_kv": 0/'
bad 'd_ff' 's/"d_ff": 64/"d_ff": "many"/'
bad 'shape' 's/"d_ff": 64/"d_ff": 65/'
sed -i 's/"num_layers": 2/"num_decoder_layers": 3, "num_layers": 2/' s2s/config.json
refuses_ 1 'decoder.block.2' score -q -m s2s test.lms
