#!/bin/bash
# What balances training and guards against forgetting: class weights, row weights, focal loss, L2-SP, replay, subsets,
# the head of a model that was trained before, early stopping.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small -b 16 --max-steps 30 --learning-rate 2e-3 -q -o mini corpus.lms
lms --head 300 train.lms >some.lms
f() {
    finetune -m mini -b 16 -e 1 --learning-rate 1e-3 "$@"
}
score_() { # MODEL METRIC [FILE]
    score -m "$1" -q "${3:-test.lms}" | awk -v name="$2" '$1 == name { print $2 }'
}
near_() { # models whose evaluation loss is the same but for rounding
    awk -v a="$(score_ "$1" loss)" -v b="$(score_ "$2" loss)" 'BEGIN { d = a - b; exit !(a > 0 && d < 1e-4 && d > -1e-4) }' ||
        fail_ "line ${BASH_LINENO[0]}: $1 has loss $(score_ "$1" loss), $2 $(score_ "$2" loss)"
}
same_model_() {
    cmp -s "$1/model.safetensors" "$2/model.safetensors"
}
f -q -o plain some.lms

# ---- class weights: those of a file that are all alike change nothing (their mean divides), others do
printf 'business 3\nsport\t3\r\nweather 3\n' >alike.txt
f -q -o alike --class-weight alike.txt some.lms
near_ plain alike
f -o auto --class-weight auto some.lms 2>err
grep -q 'class weights: business [0-9.]*, sport [0-9.]*, weather [0-9.]*$' err
! same_model_ plain auto || fail_ "class weights change nothing"
# what is said is n / (classes * count)
sed -n 2,301p train.csv | cut -d, -f1 | sort | uniq -c |
    awk '{ n[$2] = $1; all += $1 } END {
        printf "class weights: business %.4g, sport %.4g, weather %.4g\n",
            all / (3 * n["business"]), all / (3 * n["sport"]), all / (3 * n["weather"]) }' >want
sed -n 's/.*\(class weights: .*\)/\1/p' err >got
compare_ want got
# a class that weighs nothing is not learned
printf '{"business": 1, "sport": 1, "weather": 0}' >none.json
f -q -e 6 -o none --class-weight none.json some.lms
score -m none --emit predictions --tsv -q test.lms | cut -f 1 | sort -u >predicted
grep -q sport predicted
! grep -q weather predicted || fail_ "a class without weight is predicted"
grep -q '"class-weight"\|class-weight' none/README.md
printf 'business 1\nsport 1\n' >lacking
refuses_ 1 "no weight for class 'weather'" f -q -o no --class-weight lacking some.lms
refuses_ 1 'no-such-file' f -q -o no --class-weight no-such-file some.lms
refuses_ 2 'a single pass' f -q -o no --class-weight auto --task classify --labels business,sport,weather \
    --no-shuffle --max-steps 3 some.lms

# ---- what training and evaluation lose are on one scale: without a step between, the same rows lose the same in both
lms --head 32 train.lms >few.lms
for how in "--focal-gamma 3" "--class-weight alike3.txt --focal-gamma 1"; do
    printf 'business 1\nsport 30\nweather 5\n' >alike3.txt
    finetune -q -m mini -b 32 --max-steps 1 --learning-rate 1e-9 --dropout 0 $how --eval few.lms --log scale.jsonl -o scale few.lms
    grep -oE '"(plain_loss|eval_loss)": ?[0-9.]+' scale.jsonl | grep -oE '[0-9.]+$' | xargs >scales
    awk '{ d = $1 - $2; exit !(NF == 2 && d < 1e-4 && d > -1e-4) }' scales || fail_ "$how: $(cat scales)"
done
! grep -q plain_loss <(finetune -q -m mini -b 32 --max-steps 1 --log /dev/stdout -o scale few.lms) || fail_ "plain_loss without balance"

# ---- focal loss, smoothing; neither for numbers
f -q -o focal --focal-gamma 2 some.lms
! same_model_ plain focal || fail_ "--focal-gamma changes nothing"
f -q -o smooth --label-smoothing 0.2 some.lms
! same_model_ plain smooth || fail_ "--label-smoothing changes nothing"
awk -F, 'NR == 1 || NR < 60 { sub(/^[a-z]*/, NR == 1 ? "label" : NR % 7); print }' train.csv |
    tok -m tokdir -q --text text --label label --label-type float >numbers.lms
refuses_ 2 '--focal-gamma is about classes' f -q -o no --focal-gamma 1 numbers.lms
refuses_ 2 '--class-weight is about classes' f -q -o no --class-weight auto numbers.lms

# ---- L2-SP holds the body where it was: the stronger the nearer; it is resumed
distance() { # from mini
    python3 - "$1" <<'END'
import json, struct, sys
def load(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(n)), f.read()
    return {k: struct.unpack("<%df" % ((b - a) // 4), data[a:b])
            for k, v in head.items() if k != "__metadata__" for a, b in [v["data_offsets"]]}
a, b = load("mini/model.safetensors"), load(sys.argv[1] + "/model.safetensors")
print(sum((x - y) ** 2 for k in a if k in b and k.startswith("bert.encoder") for x, y in zip(a[k], b[k])) ** 0.5)
END
}
f -q -o held --l2-sp 500 some.lms
f -q -o loose --l2-sp 1e-9 --weight-decay 0 some.lms
if command -v python3 >/dev/null; then
    awk -v a="$(distance held)" -v b="$(distance loose)" 'BEGIN { exit !(a < b / 2 && a > 0) }' ||
        fail_ "L2-SP: $(distance held) and $(distance loose)"
fi
f -q -o resumed --l2-sp 500 --checkpoint ck --save-steps 5 some.lms
rm -r ck/checkpoint-1[5-9] 2>/dev/null || :
f -q -o resumed --l2-sp 500 --checkpoint ck --save-steps 5 --resume some.lms
cmp held/model.safetensors resumed/model.safetensors
refuses_ 2 'keeps its options' f -q -o resumed --l2-sp 10 --checkpoint ck --save-steps 5 --resume some.lms
refuses_ 2 '--random-weights' f -q -o no --l2-sp 1 --random-weights some.lms

# ---- --frac and --max-train-samples: nested, the same whatever the order, with all classes
f -o tenth --frac 10% --log log some.lms 2>err
grep -q '30 rows' err
grep -q '"train_samples_per_second"' log
f -o thirty --max_train_samples 30 some.lms 2>err
cmp tenth/model.safetensors thirty/model.safetensors
f -q -o one --frac 0.1% some.lms # one row, and still three classes
grep -q '"weather": 2' one/config.json
refuses_ 2 'single pass' f -q -o no --frac 10% --shuffle-window 100 some.lms

# ---- replay: rows of another stream in each step, and their classes
awk -F, 'NR == 1 || $1 != "weather" && n++ < 199' train.csv | tok -m tokdir -q --text text --label label >new.lms
awk -F, 'NR == 1 || $1 == "weather" && n++ < 99' train.csv | tok -m tokdir -q --text text --label label >old.lms
f -e 10 --learning-rate 4e-3 -o replayed --replay old.lms=50% new.lms 2>err
grep -q "$((10 * 199 * 3 / 2)) rows" err
grep -q '"weather": 2' replayed/config.json
awk -v x="$(score_ replayed accuracy)" 'BEGIN { exit !(x > 0.6) }' || fail_ "$(score -m replayed test.lms)"
f -q -j 1 -e 1 -o r1 --replay old.lms=0.1 new.lms
f -q -j 2 -e 1 -o r2 --replay old.lms=0.1 --micro-tokens 100 new.lms
f -q -e 1 -o r3 --replay old.lms=0.1 --checkpoint ck-replay --save-steps 5 new.lms
cmp r1/model.safetensors r3/model.safetensors
refuses_ 2 'give FILE=SHARE' f -q -o no --replay old.lms new.lms
refuses_ 2 'give FILE=SHARE' f -q -o no --replay old.lms=much new.lms
refuses_ 2 'lower the share' f -q -o no --replay old.lms=100 -b 1000000 new.lms
refuses_ 1 'no-such.lms' f -q -o no --replay no-such.lms=0.1 new.lms
refuses_ 1 'no label' f -q -o no --replay corpus.lms=0.1 new.lms
refuses_ 1 'none of the model' f -q -o no --labels business,sport --replay old.lms=0.1 new.lms
# a resumed run sees that other rows are replayed
lms --head 50 old.lms >less.lms
refuses_ 2 'keeps its options' f -q -o r3 --replay less.lms=0.1 --checkpoint ck-replay --save-steps 5 --resume new.lms
cp less.lms old.lms
refuses_ 1 'not the one' f -q -o r3 --replay old.lms=0.1 --checkpoint ck-replay --save-steps 5 --resume new.lms

# ---- the head: kept where the classes are the same, else dropped and said so
finetune -m plain -b 16 --max-steps 0 -e 0.01 --learning-rate 0 -o again some.lms 2>err
grep -q "head goes on" err
cmp plain/model.safetensors again/model.safetensors
finetune -m plain -b 16 -e 0.01 --learning-rate 0 --no-keep-head -o anew some.lms 2>err
grep -q 'dropped 2 tensors.*classifier.weight' err
grep -q 'initialised 2 parameters' err
! same_model_ plain anew || fail_ "--no-keep-head keeps the head"
sed 's/^sport/games/' train.csv | tok -m tokdir -q --text text --label label >renamed.lms
finetune -m plain -b 16 -e 0.01 --learning-rate 0 -o other renamed.lms 2>err
grep -q "head is dropped: its classes are others" err
cmp anew/model.safetensors other/model.safetensors
refuses_ 2 'class 1 of the model is sport, and here it is games' finetune -m plain -q --keep-head -o no renamed.lms
refuses_ 2 'class 2 of the model is weather, and here it is none' finetune -m plain -q --keep-head -o no new.lms
refuses_ 2 'has no head' finetune -m mini -q --keep-head -o no some.lms
finetune -m plain -b 16 -e 0.01 --learning-rate 0 -o fewer new.lms 2>err # two classes
grep -q 'dropped 2 tensors' err

# ---- early stopping, by a metric; training and evaluation loss beside each other
f -e 30 -o early --eval test.lms --eval-steps 5 --keep-best --patience 2 --best-metric accuracy --log log some.lms 2>err
grep -q 'step 5: training loss [0-9.]*, evaluation' err
grep -q 'stopped: 2 evaluations without a better accuracy' err
best=$(sed -n 's/.*than [0-9.]* at step \([0-9]*\).*/\1/p' err)
last=$(sed -n 's/.*"eval_loss".*"step":\([0-9]*\).*/\1/p' log | tail -n 1)
same_ $((best + 10)) "$last"
test "$(score_ early accuracy)" = "$(sed -n "s/.*\"eval_accuracy\":\([0-9.]*\).*\"step\":$best[,}].*/\1/p" log |
    awk '{ printf "%.6g", $1 }')" || fail_ "the weights are not those of step $best"
refuses_ 2 '--keep-best' f -q -o no --patience 2 --eval test.lms some.lms
refuses_ 2 'no such value: it has' f -q -o no --eval test.lms --keep-best --best-metric acuracy some.lms
# overfitting is said, once: labels of the evaluation that have nothing to do with the text
awk -F, 'BEGIN { split("sport business weather", w, " ") } NR == 1 { print; next } { print w[NR % 3 + 1] "," $2 }' \
    test.csv | tok -m tokdir -q --text text --label label >noise.lms
f -e 8 --learning-rate 5e-3 -o over --eval noise.lms some.lms 2>err
same_ 1 "$(grep -c 'overfitting: since step' err)"
