#!/bin/bash
# Checkpoints that are damaged, file by file, and options that are not those of the run that goes on.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

head -n 65 train.csv | tok -m tokdir -q --text text --label label --input-format csv >few.lms
head -n 25 test.csv | tok -m tokdir -q --text text --label label --input-format csv >few-test.lms
sed -n '1p;100,163p' train.csv | tok -m tokdir -q --text text --label label --input-format csv >other.lms
shape="--layers 1 --width 16 --heads 1 --inner 32 --max-length 64"
run="finetune -a bert $shape -b 8 -e 2 -q -j 1 -o out --checkpoint ck --save-steps 5 --keep 0 --eval few-test.lms"
run="$run --eval-steps 4 --keep-best"
$run few.lms
mv out whole
mv ck kept
same_ 'checkpoint-10 checkpoint-15 checkpoint-5' "$(ls kept | grep checkpoint | xargs)"

# $1 is what is done to the file $2 of checkpoint-15; the one before it serves.
damage() {
    rm -rf ck out
    cp -r kept ck
    local file=ck/checkpoint-15/$2 size
    size=$(stat -c %s "$file")
    case $1 in
    cut) truncate -s $((size / 2)) "$file" ;;
    empty) : >"$file" ;;
    short) truncate -s -1 "$file" ;;
    long) echo >>"$file" ;;
    gone) rm "$file" ;;
    changed)
        at=$((size / 2))
        byte=$(od -An -tu1 -j $at -N 1 "$file")
        printf "$(printf '\\%03o' $(((byte + 1) % 256)))" | dd of="$file" bs=1 seek=$at conv=notrunc status=none
        ;;
    esac
    refuses_ 0 'checkpoint-15 is passed over' $run --resume </dev/null
    grep -q "$2" err || fail_ "$1 $2: not named: $(cat err)"
    cmp whole/model.safetensors out/model.safetensors
    rm -rf ck/checkpoint-20
}
files=$(ls kept/checkpoint-15)
test "$(wc -w <<<"$files")" -ge 6
for file in $files; do
    damage changed $file
    damage cut $file
done
for how in empty short long gone; do
    damage $how state.json
    damage $how MANIFEST
done
# a file that nobody has put there, too, does no harm
rm -rf ck out
cp -r kept ck
echo hello >ck/checkpoint-15/notes.txt
$run --resume </dev/null
cmp whole/model.safetensors out/model.safetensors

# ---- none is whole: the run begins anew, from the rows that were kept
rm -rf ck out
cp -r kept ck
for step in 5 10 15; do
    : >ck/checkpoint-$step/MANIFEST
done
$run --resume </dev/null 2>err
same_ 3 "$(grep -c 'is passed over' err)"
cmp whole/model.safetensors out/model.safetensors

# ---- a damaged one that is newer does not count among those that are kept
rm -rf ck out
cp -r kept ck
: >ck/checkpoint-15/MANIFEST
rm -r ck/checkpoint-10
# it stops soon, so that nothing has taken the place of the damaged one yet
returns_ 5 $run --keep 1 --save-steps 1 --resume --max-time 0.001 few.lms 2>err
ls ck | grep -q '^checkpoint-[6-9]$' || fail_ "the newest whole checkpoint is gone: $(ls ck)"
test ! -e ck/checkpoint-15

# ---- another name, another form
rm -rf ck
cp -r kept ck
mv ck/checkpoint-15 ck/checkpoint-17
refuses_ 1 'is of step 15' $run --resume </dev/null

# ---- rows: changed, cut, of other files
for how in 'truncate -s -1' 'truncate -s 1000' 'truncate -s 0'; do
    rm -rf ck
    cp -r kept ck
    $how ck/spool.lms
    refuses_ 1 'remove this file' $run --resume few.lms
done
rm ck/spool.lms
refuses_ 1 'not the one that the run' $run --resume other.lms
test ! -e ck/spool.lms || fail_ "the wrong rows were kept"
rm -rf out
$run --resume few.lms
cmp whole/model.safetensors out/model.safetensors

# ---- a run that goes on keeps its options: each that decides the result is refused by name, with another value or without it
rm -rf ck
cp -r kept ck
while read -r name option; do
    rm -rf out
    refuses_ 2 "--$name" $run $option --resume few.lms
done <<'END'
epochs -e 3
max-steps --max-steps 17
batch-size -b 4
gradient-accumulation --gradient-accumulation 2
learning-rate --learning-rate 1e-4
schedule --schedule cosine
warmup-steps --warmup-steps 3
weight-decay --weight-decay 0.2
max-grad-norm --max-grad-norm 2
adam-beta1 --adam-beta1 0.8
adam-beta2 --adam-beta2 0.9
adam-epsilon --adam-epsilon 1e-6
dropout --dropout 0.3
shuffle --no-shuffle
group-by-length --group-by-length
seed --seed 7
keep-best --no-keep-best
eval-steps --eval-steps 3
patience --patience 3
best-metric --best-metric accuracy
label-smoothing --label-smoothing 0.1
class-weight --class-weight auto
focal-gamma --focal-gamma 2
frac --frac 0.5
max-train-samples --max-train-samples 30
replay --replay few-test.lms=0.1
freeze --freeze embeddings
layer-lr-decay --layer-lr-decay 0.9
skip-unknown --skip-unknown
architecture --heads 2
END
# what the run had, and is not given any more
rm -rf ck
$run -e 1 --save-steps 2 --frac 0.5 few.lms
refuses_ 2 '--frac' $run -e 1 --resume few.lms
