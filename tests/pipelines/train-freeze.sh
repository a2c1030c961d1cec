#!/bin/bash
# Freezing, gradual unfreezing, rates by depth, and what is kept of a frozen prefix; all of it resumed exactly.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"
pretrain $small --layers 3 -b 16 -e 2 --learning-rate 2e-3 -q -o mini corpus.lms
f() {
    finetune -m mini -b 16 --learning-rate 3e-3 -q "$@"
}
last_loss() {
    awk -F'[:,]' '/^{"loss"/ { loss = $2 } END { print loss }' "$1"
}
near() { # FILE FILE TOLERANCE: the last training losses of two logs
    awk -v a="$(last_loss "$1")" -v b="$(last_loss "$2")" -v most="$3" \
        'BEGIN { d = a - b; exit !(a > 0 && b > 0 && d < most && d > -most) }' ||
        fail_ "line ${BASH_LINENO[0]}: $(last_loss "$1") and $(last_loss "$2") differ"
}

# ---- what is what, without any input
finetune -m mini --list-parameters --freeze embeddings,layer.0-1 --layer-lr-decay 0.5 --lr-mult 'classifier=10' \
    --learning-rate 1e-3 </dev/null >list 2>err
head -n 1 list | grep -q '^name	shape	trained	rate$'
same_ "$(awk -F'\t' 'NR > 1 && $3 == "no"' list | wc -l)" $((5 + 2 * 16))
grep -q '^bert.encoder.layer.1.output.dense.weight	\[32, 128\]	no	0$' list
grep -q '^bert.encoder.layer.2.output.dense.weight	\[32, 128\]	yes	0.0005$' list
grep -q '^bert.pooler.dense.weight	\[32, 32\]	yes	0.001$' list
grep -q '^classifier.bias	\[2\]	yes	0.01$' list
finetune -m mini --list-parameters --unfreeze-every 1e --labels a,b,c >list 2>/dev/null
grep -q '^classifier.bias	\[3\]	yes	' list
grep -q '^bert.encoder.layer.2.output.dense.bias	\[32\]	from epoch 2	' list
grep -q '^bert.embeddings.LayerNorm.bias	\[32\]	from epoch 5	' list
finetune -m mini --list-parameters --unfreeze-every 10 >list 2>/dev/null
grep -q '^bert.encoder.layer.1.output.dense.bias	\[32\]	from step 21	' list

# ---- what is frozen has no states in the optimiser, and what is not changes
f --freeze embeddings,layer.0-1 --max-steps 20 --save-steps 10 --checkpoint ck -o part train.lms
states=$(head -c 20000 ck/checkpoint-10/optimizer.safetensors | grep -aoE '"[^"]*\.exp_avg"' | tr -d '"')
same_ "$(echo "$states" | wc -l)" $((16 + 4))
! echo "$states" | grep -qE 'embeddings|layer\.[01]\.' || fail_ "states of what is frozen: $states"

# ---- gradual unfreezing, with all that goes with it: killed at several points and resumed, the same bytes
gradual="--unfreeze-every 20 --layer-lr-decay 0.8 --lr-mult ^classifier=2 --max-steps 110"
saved="--save-steps 9 --keep 0 --checkpoint ck --resume"
f $gradual -o whole train.lms
rm -rf ck
for point in 18 36 63 81; do
    end_at KILL $point finetune -m mini -b 16 --learning-rate 3e-3 -q $gradual $saved -o out train.lms 2>err
    test ! -e out
done
f $gradual $saved -o out </dev/null
cmp whole/model.safetensors out/model.safetensors
refuses_ 2 '--unfreeze-every' f $gradual --unfreeze-every 30 $saved -o out
refuses_ 2 '--layer-lr-decay' f $gradual --layer-lr-decay 1 $saved -o out
refuses_ 2 '--lr-mult' f $gradual --lr-mult bias=2 $saved -o out
# rates decide
f --max-steps 20 -o even train.lms
f --max-steps 20 --layer-lr-decay 0.5 -o decayed train.lms
! cmp -s even/model.safetensors decayed/model.safetensors || fail_ "--layer-lr-decay changes nothing"
# a stage says so when it begins; a run that is too short for all of them says so before
finetune -m mini -b 16 --max-steps 30 --unfreeze-every 20 -o short train.lms 2>err
grep -q 'step 21: from here on layer.2 is trained too' err
grep -q 'the run ends after 30 steps, before embeddings is trained' err

# ---- --cache-frozen: the same losses but for the last digits, in epochs that run no frozen block
same_losses() { # OPTIONS: with the cache, without it
    f --dropout 0 -e 3 --log plain.jsonl -o plain "$@" train.lms
    f --dropout 0 -e 3 --log cached.jsonl -o cached --cache-frozen "$@" train.lms
    near plain.jsonl cached.jsonl 2e-4
}
same_losses --freeze-except head                          # a vector a row
same_losses --freeze embeddings,layer.0-1                 # one for each token
same_losses --freeze embeddings,layer.0 --unfreeze-every 1e   # what is never trained
same_losses --freeze-except head --frac 30% --replay test.lms=0.5
same_losses --freeze-except head --micro-tokens 40 --gradient-accumulation 2
# the stages of a run in which each is longer than an epoch
same_losses --unfreeze-every 60
finetune -m mini -b 16 -e 5 --freeze-except head --cache-frozen -o cached train.lms 2>err
grep -q 'the embeddings and 3 blocks have run once over 900 rows .* in memory' err
# whatever -j, and resumed
cached="--unfreeze-every 70 --cache-frozen --max-steps 200"
saved="--save-steps 15 --keep 0 --checkpoint ck --resume"
f $cached -j 1 -o one train.lms
f $cached -j 2 -o two train.lms
cmp one/model.safetensors two/model.safetensors
rm -rf ck out
for point in 30 75 105; do
    end_at KILL $point finetune -m mini -b 16 --learning-rate 3e-3 -q $cached $saved -o out train.lms 2>err
done
f $cached $saved -o out </dev/null
cmp one/model.safetensors out/model.safetensors
refuses_ 2 '--cache-frozen' f $cached --no-cache-frozen $saved -o out
# plans know of it
finetune -m mini -b 16 -e 5 --freeze-except head --cache-frozen --plan train.lms >plan 2>err
grep -q '^cached_layers	3$' plan
grep -q '^cache_mib	0.1$' plan
finetune -m mini -b 16 -e 5 --freeze-except head --plan train.lms >plain.plan 2>err
awk '$1 == "flops" { flops[FILENAME] = $2 } END { exit !(flops["plan"] < flops["plain.plan"] / 3) }' plan plain.plan ||
    fail_ "$(cat plan plain.plan)"
# past a quarter of --memory in a file, with the same result
make_words 9000 3 | tok -m tokdir -q --text text --label label >many.lms
spooled="--freeze embeddings,layer.0-1 --cache-frozen --max-steps 40 --micro-tokens 2048"
f $spooled -o inside many.lms
finetune -m mini -b 16 --learning-rate 3e-3 $spooled --memory 60M -o bounded many.lms 2>err
grep -q 'MiB are kept in a file' err || fail_ "$(grep kept err)"
cmp inside/model.safetensors bounded/model.safetensors

# ---- what makes no sense is refused, by name
refuses_ 2 'nothing can be trained' f --freeze '*' -o x train.lms
refuses_ 2 'layer.3: no parameter has such a name' f --freeze layer.1-3 -o x train.lms
refuses_ 2 '--unfreeze-every 1x' f --unfreeze-every 1x -o x train.lms
refuses_ 2 '--lr-mult' f --lr-mult 'nonsense=2' -o x train.lms
refuses_ 2 'no block stays frozen' f --cache-frozen -o x train.lms
refuses_ 2 'no block stays frozen' f --cache-frozen --freeze layer.0-2 -o x train.lms
refuses_ 2 'a single pass over a pipe' f --cache-frozen --freeze body -e 1 --shuffle-window 100 --max-steps 5 \
    --task classify --labels sport,business,weather -o x train.lms
refuses_ 2 'other tokens are hidden in every epoch' f --cache-frozen --task mlm --freeze embeddings,layer.0 -o x corpus.lms
test ! -e x
# a pooler that pretraining did not make is not frozen unsaid
finetune -m mini -b 16 --max-steps 2 --freeze bert -o x train.lms 2>err
grep -q 'bert.pooler.dense.weight: --freeze-except' err || grep -q 'keep random ones: bert.pooler.dense.weight' err
