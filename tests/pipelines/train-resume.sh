#!/bin/bash
# Checkpoints: killed anywhere and resumed, a run ends in the same bytes as one that was not.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

options="$small -e 3 -b 16 --learning-rate 1e-3 -q"
pretrain $options -o whole corpus.lms

resume="pretrain $options -o out --checkpoint ck --save-steps 4 --keep 0"

# ---- kill -9 at several points of one run, and at one point each
for points in "4 20 48 100" 8 32 152; do
    rm -rf ck out
    for point in $points; do
        end_at KILL "$point" $resume --resume <corpus.lms 2>err
        test "$status" = 137 || fail_ "status $status at $point: $(cat err)"
        test ! -e out || fail_ "a killed run has published something"
    done
    # the spool is in the checkpoint: no input is needed any more
    $resume --resume </dev/null
    cmp whole/model.safetensors out/model.safetensors
    cmp whole/config.json out/config.json
done

# ---- killed while it reads its input: nothing to resume, so it reads again
rm -rf ck out
{ head -c 20000 corpus.lms; sleep 5; } | timeout -s KILL 1 $resume || :
test ! -e ck/spool.lms || fail_ "half an input is kept as a whole one"
$resume --resume <corpus.lms
cmp whole/model.safetensors out/model.safetensors

# ---- failed with its rows read, before its first checkpoint: the rows of the next one are its own
rm -rf ck out
refuses_ 1 '--memory' $resume --memory 1M <train.lms
test -s ck/spool.lms
$resume --resume <corpus.lms
cmp whole/model.safetensors out/model.safetensors

# ---- the log goes on as if nothing had happened
rm -rf ck out
pretrain $options -o whole2 --log whole.jsonl corpus.lms
end_at KILL 60 $resume --log run.jsonl <corpus.lms 2>err
$resume --log run.jsonl --resume </dev/null
sed '/train_runtime/d' whole.jsonl >expected
sed '/train_runtime/d' run.jsonl >actual
compare_ <(grep -o '"step":[0-9]*' expected) <(grep -o '"step":[0-9]*' actual)
compare_ <(tail -n 1 expected | grep -o '"learning_rate":[^,]*') <(tail -n 1 actual | grep -o '"learning_rate":[^,]*')

# ---- signals: a checkpoint of the present step, status 128+n, nothing published
for signal in TERM INT HUP; do
    rm -rf ck out
    end_at $signal 8 env --default-signal=INT $resume <corpus.lms 2>err
    test "$status" = $((128 + $(kill -l $signal))) || fail_ "SIG$signal: status $status: $(cat err)"
    test ! -e out
    $resume --resume </dev/null
    cmp whole/model.safetensors out/model.safetensors
done

# ---- --max-time: status 5
rm -rf ck out
returns_ 5 pretrain $options -e 3000 -o out --checkpoint ck --max-time 0.5 corpus.lms 2>err
ls ck | grep -q '^checkpoint-' && test ! -e out
rm -rf ck
while ! test -e out; do
    status=0
    $resume --resume --max-time 0.4 <corpus.lms 2>err || status=$?
    test $status = 5 || test $status = 0 || fail_ "status $status: $(cat err)"
done
cmp whole/model.safetensors out/model.safetensors

# ---- the newest checkpoint is damaged: the one before it serves
rm -rf ck out
end_at KILL 40 $resume <corpus.lms
for victim in model.safetensors optimizer.safetensors state.json MANIFEST; do
    newest=$(ls ck | sed -n 's/^checkpoint-//p' | sort -n | tail -n 1)
    head -c 100 ck/checkpoint-$newest/$victim >cut
    cat cut >ck/checkpoint-$newest/$victim
done
refuses_ 0 'is passed over' $resume --resume </dev/null
cmp whole/model.safetensors out/model.safetensors
newest=$(ls ck | sed -n 's/^checkpoint-//p' | sort -n | tail -n 1)

# ---- what does not belong together is refused, by name
refuses_ 1 'stands there from an earlier run' $resume <corpus.lms
refuses_ 2 '--learning-rate' $resume --learning-rate 2e-3 --resume </dev/null
refuses_ 2 '--seed' $resume --seed 1 --resume </dev/null
refuses_ 2 'give --checkpoint' pretrain $options -o x --resume corpus.lms
refuses_ 2 'give --checkpoint' pretrain $options -o x --max-time 1h corpus.lms

# ---- without its spool a run reads its input again, and not another one; a damaged spool is named
head -c 3000 ck/spool.lms >cut
cp cut ck/spool.lms
refuses_ 1 'remove this file' $resume --resume <corpus.lms
rm ck/spool.lms
refuses_ 1 'not the one that the run' $resume --resume <train.lms
rm -rf out
$resume --resume <corpus.lms
cmp whole/model.safetensors out/model.safetensors

# ---- --keep, and a checkpoint is a model directory like any other
rm -rf ck out
pretrain $options -o out --checkpoint ck --save-steps 10 --keep 3 corpus.lms
same_ 3 "$(ls ck | grep -c '^checkpoint-')"
finetune -m ck/checkpoint-$(ls ck | sed -n 's/^checkpoint-//p' | sort -n | tail -n 1) --max-steps 2 -q -o tuned train.lms

# ---- a single pass over a pipe: the input comes again, and what is skipped is checked
stream="pretrain $small -b 8 -e 1 --shuffle-window 60 --max-steps 90 -q"
$stream -o whole1 <corpus.lms
rm -rf ck
resume="$stream -o out1 --checkpoint ck --save-steps 10 --keep 0"
end_at KILL 30 $resume <corpus.lms
test ! -e ck/spool.lms
refuses_ 1 'not the one that the run' $resume --resume <train.lms
$resume --resume <corpus.lms
cmp whole1/model.safetensors out1/model.safetensors

# ---- finetune, with classes, evaluation and the best weights
tuning="finetune -m whole -e 4 -b 16 --learning-rate 3e-3 -q --eval test.lms --eval-steps 25 --keep-best"
$tuning -o best train.lms
rm -rf ck
end_at KILL 100 $tuning -o best2 --checkpoint ck --save-steps 10 <train.lms
$tuning -o best2 --checkpoint ck --save-steps 10 --resume </dev/null
cmp best/model.safetensors best2/model.safetensors
refuses_ 2 'the same --labels' $tuning --labels weather,sport,business -o best2 --checkpoint ck --resume </dev/null

# ---- two runs do not share a directory
rm -rf ck
{ cat train.lms; sleep 10; } | $tuning -o x --checkpoint ck 2>err2 &
while ! test -d ck; do sleep 0.01; done
sleep 0.2
refuses_ 1 'another run' $tuning -o y --checkpoint ck train.lms
kill $! && wait || :
