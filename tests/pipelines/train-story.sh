#!/bin/bash
# tok, pretrain, finetune and score through pipes; what the output holds; determinism.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

# ---- the story
tok -m tokdir -q corpus.txt | pretrain $small -e 4 -b 16 --learning-rate 2e-3 -o mini --log mini.jsonl 2>err
grep -q 'step 1/' err
tok -m mini -q --text text --label label train.csv |
    finetune -m mini -e 8 -b 16 --learning-rate 1e-3 -o news --eval test.lms --log news.jsonl 2>err
grep -q 'task: classify' err
if test -x "$abs_top_builddir/.libs/score"; then
    tok -m news -q --text text --label label test.csv | score -m news >report
    awk '$1 == "accuracy" { good = $2 > 0.8 } END { exit !good }' report || fail_ "$(cat report)"
fi
tail -n 2 news.jsonl | sed -n 's/.*"eval_accuracy":\([0-9.]*\).*/\1/p' >accuracy
awk '{ good = $1 > 0.8 } END { exit !good }' accuracy || fail_ "$(cat news.jsonl)"

# ---- what is in the directories
for dir in mini news; do
    for file in config.json model.safetensors README.md vocab.txt; do
        test -s $dir/$file || fail_ "$dir/$file is missing"
    done
done
grep -q '"BertForMaskedLM"' mini/config.json
grep -q "\"vocab_size\": $(wc -l <tokdir/vocab.txt)" mini/config.json
grep -q '"BertForSequenceClassification"' news/config.json
grep -q '"0": "business"' news/config.json
grep -q '"weather": 2' news/config.json
grep -q '"problem_type": "single_label_classification"' news/config.json
test ! -e news.partial

# ---- the log has the keys of transformers
head -n 1 mini.jsonl | grep -q '"loss".*"grad_norm".*"learning_rate".*"epoch".*"step":1'
grep -q '"eval_loss".*"eval_accuracy"' news.jsonl
tail -n 1 mini.jsonl | grep -q '"train_runtime"'
# and pretraining learned something
awk -F'[:,]' '/"loss"/ { last = $2; if (!first) first = $2 } END { exit !(last < first - 0.7) }' mini.jsonl ||
    fail_ "$(cat mini.jsonl)"

# ---- the same seed and input: the same bytes, whatever -j; another seed: others
p() {
    pretrain $small -b 16 --max-steps 12 -q "$@"
}
p -j 1 -o a corpus.lms
p -j 1 -o b corpus.lms
p -j 2 -o c corpus.lms
p -j 3 -o d <corpus.lms
for other in b c d; do
    cmp a/model.safetensors $other/model.safetensors
    cmp a/config.json $other/config.json
done
# the same rows in two files, in one stream of two, compressed
head -n 400 corpus.txt | tok -m tokdir -q >first.lms
tail -n +401 corpus.txt | tok -m tokdir -q >second.lms
p -o files first.lms second.lms
cat first.lms second.lms | p -o cat
gzip -k first.lms
p -o gzip first.lms.gz second.lms
for other in files cat gzip; do
    cmp a/model.safetensors $other/model.safetensors
done
p --seed 43 -o e corpus.lms
! cmp -s a/model.safetensors e/model.safetensors || fail_ "the seed changes nothing"
f() {
    finetune -m mini -b 16 --max-steps 12 -q "$@" train.lms
}
f -j 1 -o fa
f -j 2 -o fb
cmp fa/model.safetensors fb/model.safetensors

# ---- micro-batches and accumulated batches: the same losses to 1e-6, dropout and masks included
last_loss() {
    awk -F'[:,]' '/"loss"/ { loss = $2 } END { print loss }' "$1"
}
near() {
    awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(d < 1e-6 && d > -1e-6 && a > 0) }' ||
        fail_ "line ${BASH_LINENO[0]}: $1 and $2 differ"
}
p -o one --log one.jsonl corpus.lms
p -o micro --micro-tokens 32 --log micro.jsonl corpus.lms
p -b 4 --gradient-accumulation 4 -o accumulated --log accumulated.jsonl corpus.lms
near "$(last_loss one.jsonl)" "$(last_loss micro.jsonl)"
near "$(last_loss one.jsonl)" "$(last_loss accumulated.jsonl)"
p -b 4 -o smaller --log smaller.jsonl corpus.lms
test "$(last_loss one.jsonl)" != "$(last_loss smaller.jsonl)"

# ---- options
p --max-grad-norm 0.001 -o clipped corpus.lms
p --max-grad-norm 0 -o unclipped corpus.lms
! cmp -s clipped/model.safetensors unclipped/model.safetensors || fail_ "gradients are not clipped"
p --per_device_train_batch_size 16 --lr_scheduler_type linear --num_train_epochs 1 -o alias corpus.lms
cmp a/model.safetensors alias/model.safetensors
# the network alone: other weights than those of -m; a frozen body: the same
f --random-weights -o random
! cmp -s fa/model.safetensors random/model.safetensors || fail_ "--random-weights changes nothing"
finetune -m mini -b 16 --max-steps 12 -v --freeze bert -o frozen train.lms 2>err
grep -q 'bert.embeddings.word_embeddings.weight (frozen)' err
! grep -q 'classifier.weight (frozen)' err || fail_ "the head is frozen too"
f --dropout 0 -o dry
grep -q '"hidden_dropout_prob": 0.0' dry/config.json
f --labels weather,sport,business -o ordered
grep -q '"0": "weather"' ordered/config.json
# numbers; going on from a model; an own config
tok -m tokdir -q --text text --label label --label-type float --input-format csv <(sed 's/sport/1.5/; s/business/2/; s/weather/-1e1/' train.csv) |
    finetune -m mini --max-steps 5 -q -o number
grep -q '"problem_type": "regression"' number/config.json
pretrain -m mini --max-steps 3 -q -o more corpus.lms
grep -q '"BertForMaskedLM"' more/config.json
pretrain --config mini/config.json --max-steps 3 -q -o configured corpus.lms
cmp mini/config.json configured/config.json
# MLM and next sentence from the column `label`
tok -m tokdir -q --text text --label label --label-type id --input-format csv <(sed 's/sport/0/; s/business/1/; s/weather/1/' train.csv) |
    pretrain $small --objective pretrain --max-steps 5 -q -o both
grep -q '"BertForPreTraining"' both/config.json

# ---- the output may be the model that is read; the old one goes as a whole
cp -r mini again
finetune -m again --max-steps 3 -q -o again train.lms
grep -q '"BertForSequenceClassification"' again/config.json

# ---- label smoothing over a vocabulary: another model
p --label_smoothing_factor 0.2 -o smoothed corpus.lms
! cmp -s a/model.safetensors smoothed/model.safetensors || fail_ "--label-smoothing changes nothing"
refuses_ 2 "--label-smoothing is about classes and tokens" finetune -m mini --task regress --label-smoothing 0.1 -o no \
    <(tok -m tokdir -q --text text --label label --label-type float --input-format csv \
        <(sed 's/sport/1.5/; s/business/2/; s/weather/3/' train.csv))

# ---- plans print and train nothing
finetune -m mini --plan train.lms >plan 2>err
grep -q '^parameters	' plan
grep -q '^memory_mib	' plan
grep -q '^tokens_per_second	' plan
grep -q '^flops	' plan

# ---- schedules: the plan has the rates that a run then has, as lines, and for people as a plot
rates() {
    pretrain $small -b 16 --max-steps 20 --learning-rate 1e-3 "$@"
}
for how in linear "slanted_triangular --warmup-ratio 0.25" "wsd --decay-type 1-sqrt --decay-steps 8 --warmup-type cosine" \
    "exponential --lr-decay-rate 0.5 --lr-decay-every 0.1e" "step --lr-decay-every 6 --warmup-steps 0"; do
    rates --schedule $how --plan corpus.lms 2>err | sed -n 's/^learning_rate	//p' >planned
    rates --schedule $how --logging-steps 1 -q -o rated --log rated.jsonl corpus.lms
    sed -n 's/.*"learning_rate":\([^,]*\),.*"step":\([0-9]*\)}/\2	\1/p' rated.jsonl >logged
    test "$(wc -l <planned)" = 20 || fail_ "--schedule $how: $(cat planned)"
    paste planned logged | awk '$1 != $3 || ($2 - $4)^2 > 1e-24 { bad = 1 } END { exit bad }' ||
        fail_ "--schedule $how: $(paste planned logged)"
done
awk '$1 == 13 && $2 == 1e-5 { ok = 1 } END { exit !ok }' planned || fail_ "two steps down: $(cat planned)"
refuses_ 2 "--decay-type: --schedule linear has none" rates --decay-type linear -o no corpus.lms
refuses_ 2 "--lr-decay-every: --schedule cosine has none" rates --schedule cosine --lr-decay-every 3 -o no corpus.lms
refuses_ 2 "--lr-decay-every 0: give a number of steps" rates --schedule step --lr-decay-every 0 -o no corpus.lms
refuses_ 2 "give --lr-decay-every a number of steps" rates --schedule step --epochs 1 --shuffle-window 8 -o no corpus.lms
if command -v script >/dev/null; then
    script -qec "pretrain $small --max-steps 20 --plan corpus.lms" /dev/null </dev/null >said
    grep -q '^ *0.0005 │' said && grep -q '^ *1  *step  *20' said || { cat said; fail_ "no plot"; }
fi
