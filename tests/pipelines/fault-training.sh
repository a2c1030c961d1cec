# A training run that is stopped, killed or starved: nothing half-made under the final name, and --resume ends in the
# same bytes as a run that was left alone.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/fault-common.sh"
tiny_
news_ 2000 >many.csv
tok -m vocab -q many.csv >many.lms

run_() { # OUTPUT CHECKPOINTS OPTIONS...
    local output=$1 checkpoints=$2
    shift 2
    finetune -q -m tiny -o "$output" --checkpoint "$checkpoints" --save-steps 20 --batch-size 8 -e 2 "$@"
}
same_weights_() { # DIRECTORY: as the uninterrupted run's
    compare_ whole/model.safetensors "$1/model.safetensors"
    compare_ whole/config.json "$1/config.json"
}
checkpoint_() { # DIRECTORY: waits until there is one
    local i
    for ((i = 0; i < 600; i++)); do
        ! compgen -G "$1/checkpoint-*/MANIFEST" >/dev/null || return 0
        sleep 0.05
    done
    fail_ "no checkpoint in $1"
}

run_ whole all <many.lms
test -e whole/model.safetensors

# ---- signals: a checkpoint is saved and the status says which signal it was
for signal in INT:130 TERM:143; do
    name=stopped-${signal%:*}
    set -m # else a background job ignores SIGINT
    run_ $name $name.ck <many.lms &
    pid=$!
    set +m
    checkpoint_ $name.ck
    kill -"${signal%:*}" $pid
    status=0
    wait $pid || status=$?
    test $status = "${signal#*:}" || fail_ "$signal: status $status"
    test ! -e $name || fail_ "$signal: a model stands under the final name"
    run_ $name $name.ck --resume <many.lms
    same_weights_ $name
done

# ---- kill -9, at several moments, then --resume without standard input: the input was spooled beside the checkpoints
for round in 1 2 3; do
    run_ killed killed.ck --resume <many.lms &
    pid=$!
    checkpoint_ killed.ck
    sleep "0.$((round * 2))"
    kill -KILL $pid 2>/dev/null || :
    wait $pid 2>/dev/null || :
    test ! -e killed || break
done
test -e killed || run_ killed killed.ck --resume </dev/null
same_weights_ killed

# ---- the program before it dies half-way: status 3, the checkpoint kept, nothing published
half=$(($(wc -c <many.lms) / 2))
status=0
head -c $half many.lms | run_ starved starved.ck 2>err || status=$?
test $status = 3 || fail_ "a stream without its end: status $status: $(cat err)"
test ! -e starved || fail_ "a model was made of half a stream"
status=0
head -c $half many.lms | run_ starved starved.ck --shuffle-window 64 -e 1 2>err || status=$?
test $status = 3 || fail_ "a stream without its end, trained as it arrives: status $status: $(cat err)"
test ! -e starved || fail_ "a model was made of half a stream"
compgen -G 'starved.ck/checkpoint-*/MANIFEST' >/dev/null || fail_ "the checkpoint was not kept"

# ---- an old result stays whole when a new run fails
cp -r whole kept
status=0
head -c $half many.lms | finetune -q -m tiny -o kept 2>/dev/null || status=$?
test $status = 3
same_weights_ kept

# ---- training in place: the model that is mapped is replaced
cp -r tiny own
finetune -q -m own -o own --max-steps 2 news.lms
score -q -m own news.lms >/dev/null

# ---- an output that cannot be made is said before the work begins
refuses_ 1 /proc/nowhere finetune -m tiny -o /proc/nowhere --max-steps 2 news.lms
