#!/bin/bash
# distill, layer by layer: TinyBERT's, MiniLM's and PKD's losses; what both have to have for them.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

fit="-b 16 --learning-rate 3e-3 -j 1"
losses() { # FILE: of a log
    sed -n 's/.*"loss":\([-0-9.e]*\),.*"step".*/\1/p' "$1"
}
holds() { # CONDITION NAME=VALUE...: of awk
    local condition=$1
    shift
    awk "${@/#/-v}" "BEGIN { exit !($condition) }" || fail_ "$condition: $*"
}
accuracy() { # MODEL
    score -m "$1" -j 1 test.lms | awk '$1 == "accuracy" { print $2 }'
}

finetune -a bert --layers 4 --width 32 --heads 4 --max-length 64 $fit -e 3 -q -o big train.lms

# ---- a student that is its teacher has nothing to lose, and one of other layers has
layers="--alpha-ce 0 --alpha-hard 0"
first() { # ARGUMENT...: the loss of a first step
    distill --teacher big $layers $fit --max-steps 1 --dropout 0 -q -o x --log x.jsonl "$@" train.lms
    losses x.jsonl | head -n 1
}
same="--init-from-teacher 0,1,2,3 --layer-map 0:0,1:1,2:2,3:3"
other="--init-from-teacher 0,1,2,3 --layer-map 0:1,1:0,2:3,3:2"
for what in "--alpha-relation 1" "--alpha-relation 1 --relation-loss scores" "--alpha-relation 1 --relations qq,kk,vv,qv" \
    "--alpha-relation 1 --relations qk,vv --relation-heads 8" "--alpha-hidden 1" "--alpha-hidden 100 --hidden-loss first"; do
    none=$(first $what $same) some=$(first $what $other)
    holds 'none < 1e-6 && none > -1e-6 && some > 1e-4' none="$none" some="$some"
done
one=$(first --alpha-relation 1 $other) twice=$(first --alpha-relation 2 --alpha-embedding 1 $other)
holds 'twice > 1.999 * one && twice < 2.001 * one' one="$one" twice="$twice" # the embeddings are the same

# ---- recipes, and what they are made of
distill --recipe tinybert --teacher big -a bert --layers 2 --width 16 --heads 4 --max-length 64 $fit -e 2 -o layers --log layers.jsonl \
    --logging-steps 20 train.lms 2>err
grep -q "0 times the labels' loss, 1 times relations qk (scores), 1 times hidden states, 1 times embeddings; layers 0:1,1:3\$" err ||
    fail_ "$(cat err)"
losses layers.jsonl >all
holds 'last < 0.7 * first' first="$(head -n 1 all)" last="$(tail -n 1 all)"
! quant --inspect layers | grep teaching || fail_ "the projection is in the student"
distill --recipe tinybert-prediction --teacher big -m layers $fit -e 3 -q -o student train.lms
holds 'accuracy > 0.95' accuracy="$(accuracy student)"
distill --recipe minilm2 --teacher big -a bert --layers 2 --width 16 --heads 2 --relation-heads 2 --max-length 64 $fit --max-steps 2 -o x \
    train.lms 2>err
grep -q '1 times relations qq,kk,vv (KL); layers 1:3$' err || fail_ "$(cat err)"
distill --recipe pkd --teacher big --init-from-teacher 0,1,2 $fit --max-steps 2 -o x train.lms 2>err
grep -q '0.5 times KL(teacher||student) at temperature 10, 0.5 times .*100 times the directions of first tokens; layers 0:0,1:1$' \
    err || fail_ "$(cat err)"
distill --recipe minilm --teacher big -a bert --layers 2 --width 16 --heads 4 --max-length 64 $fit -e 2 -q -o x --log minilm.jsonl \
    --logging-steps 20 train.lms
losses minilm.jsonl >all
holds 'last < 0.5 * first' first="$(head -n 1 all)" last="$(tail -n 1 all)"
quant -q -t q8_0 -m big -o big.gguf
distill --recipe minilm --teacher big.gguf -m layers $fit --max-steps 1 -q -o x train.lms

# ---- stopped and resumed: the projection, too
run="distill --recipe tinybert --teacher big -a bert --layers 2 --width 16 --heads 4 --max-length 64 $fit --max-steps 12 -q"
$run -o straight train.lms
$run -o x --checkpoint ck --save-steps 6 train.lms
$run -o resumed --checkpoint ck --save-steps 6 --resume train.lms
cmp straight/model.safetensors resumed/model.safetensors

# ---- what is refused
wide="--teacher big -a bert --layers 2 --width 24 --heads 3 --max-length 64 --max-steps 1 -q -o x"
refuses_ 2 'number of --relation-heads' distill --recipe minilm $wide train.lms
refuses_ 2 'have no angle' distill --recipe pkd $wide train.lms
refuses_ 2 'give pairs of q, k and v' distill --recipe minilm --relations qx $wide train.lms
refuses_ 2 'a layer of the student, 0 to 1' distill --recipe tinybert --layer-map 0:4 $wide train.lms
refuses_ 2 'gives back what' distill --recipe minilm --recompute --teacher big -m layers --max-steps 1 -q -o x train.lms
refuses_ 2 'leaves out layers' distill --recipe pkd --teacher big -m layers --freeze layer.0 --cache-frozen --max-steps 1 -q -o x train.lms
refuses_ 2 'the former has no attention' distill --recipe minilm --teacher big -a lstm --size tiny --max-steps 1 -q -o x train.lms
score -m big -j 1 --emit logits train.lms >taught.lms
refuses_ 2 'name the model with --teacher' distill --recipe minilm -m layers --max-steps 1 -q -o x taught.lms
refuses_ 2 'finetune does that' distill --alpha-ce 0 --teacher big -m layers --max-steps 1 -q -o x train.lms
