#!/bin/bash
# Training that knows what its weights will be quantised to: the model that is evaluated is the one that quant will make.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

losses() { grep -o '"eval_loss": *[-0-9.e+]*' "$1" | grep -o '[-0-9.e+]*$'; }
tune="-b 30 --max-steps 12 --eval-steps 6 --learning-rate 3e-3 --eval test.lms -q"

# ---- something is computed with that is not the weights, and training begins where it did
finetune $small $tune -o plain --log plain.jsonl train.lms
for type in q4_0 nf4; do
    finetune $small $tune --qat $type -o $type --log $type.jsonl train.lms
    test "$(losses $type.jsonl)" != "$(losses plain.jsonl)" || fail_ "--qat $type changes nothing"
    finetune $small $tune --qat $type -j1 -o $type-alone train.lms
    cmp $type/model.safetensors $type-alone/model.safetensors
done
grep -q '^| qat | q4_0 |' q4_0/README.md || fail_ "the model card does not tell of --qat"

# ---- what is written are weights as they always are: it is quant that quantises
score -m q4_0 test.lms -q >after
test "$(losses q4_0.jsonl | tail -n 1)" != "$(sed -n 's/^loss\t//p' after)" || fail_ "the model that is written is quantised"

# ---- which makes, of the choice of types and of their numbers, the model that was evaluated last
for type in q4_0 nf4; do
    made=$type-made
    test $type = nf4 || made=$made.gguf
    quant -q -t $type -m $type -o $made 2>err
    score -m $made --activations f32 -q --json test.lms >after
    was=$(losses $type.jsonl | tail -n 1)
    is=$(sed 's/.*"loss": *\([-0-9.e]*\).*/\1/' after)
    awk -v was="$was" -v is="$is" 'BEGIN { d = is - was; exit !(is > 0 && d < 1e-6 && d > -1e-6) }' ||
        fail_ "$type: evaluated with $was, and what quant makes with $is"
done

# ---- from a step on, stopped before and behind it, and gone on with: the same bytes
late="$small $tune --qat q5_0 --qat-from 7"
finetune $late -o late --log late.jsonl train.lms
test "$(losses late.jsonl | head -n 1)" = "$(losses plain.jsonl | head -n 1)" || fail_ "--qat-from 7 quantises before step 7"
test "$(losses late.jsonl | tail -n 1)" != "$(losses plain.jsonl | tail -n 1)" || fail_ "--qat-from 7 never quantises"
for at in 4 8; do
    rm -rf ck
    end_at KILL $at finetune $late -o resumed --checkpoint ck --save-steps 4 --keep 0 <train.lms 2>err
    finetune $late -o resumed --checkpoint ck --save-steps 4 --keep 0 --resume </dev/null
    cmp late/model.safetensors resumed/model.safetensors
    rm -r resumed
done
rm -rf ck
end_at KILL 4 finetune $late -o resumed --checkpoint ck --save-steps 4 --keep 0 <train.lms 2>err
refuses_ 2 '--qat' finetune $small $tune --qat q5_0 --qat-from 6 -o resumed --checkpoint ck --resume train.lms

# ---- pretrain, tied embeddings, Conv1D
pretrain -a gpt2 --layers 1 --width 32 --heads 2 --max-length 64 --max-steps 4 -b 8 -q --qat q4_0 --eval corpus.lms --log gpt.jsonl -o gpt corpus.lms
quant -q -t q4_0 -m gpt -o gpt.gguf
score -m gpt.gguf --activations f32 -q --json corpus.lms >after
score -m gpt -q --json corpus.lms >before
awk -v was="$(losses gpt.jsonl | tail -n 1)" -v is="$(sed 's/.*"loss": *\([-0-9.e]*\).*/\1/' after)" \
    -v plain="$(sed 's/.*"loss": *\([-0-9.e]*\).*/\1/' before)" \
    'BEGIN { d = is - was; exit !(is > 0 && is != plain && d < 1e-6 && d > -1e-6) }' || fail_ "gpt2: $(tail -n 1 gpt.jsonl) $(cat before after)"

# ---- frozen parts, whose outputs are kept
near() { paste -d ' ' <(losses "$1") <(losses "$2") | awk -v d="$3" '$1 - $2 > d || $2 - $1 > d { bad = 1 } END { exit bad || NR < 2 }'; }
for cache in --no-cache-frozen --cache-frozen; do
    finetune -m plain $tune --qat q4_0 --dropout 0 --freeze embeddings,layer.0 $cache -o frozen --log $cache.jsonl train.lms 2>err
done
near ./--no-cache-frozen.jsonl ./--cache-frozen.jsonl 1e-5 || fail_ "--cache-frozen has other losses"
refuses_ 2 '--qat-from: --cache-frozen' finetune -m plain $tune --qat q4_0 --qat-from 3 --freeze layer.0 --cache-frozen -o x train.lms

# ---- several processes are one
module=$abs_top_builddir/plugins/communicators/.libs/mpi.so
if test -e "$module" && command -v mpirun >/dev/null; then
    export LMUTILS_COMMUNICATOR_PATH=$abs_top_builddir/plugins/communicators/.libs
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 mpirun --allow-run-as-root --oversubscribe -n 2 \
        finetune $small $tune --qat q4_0 -o two --log two.jsonl train.lms
    near q4_0.jsonl two.jsonl 1e-3 ||
        fail_ "two processes: $(losses two.jsonl | xargs), and one: $(losses q4_0.jsonl | xargs)"
fi

# ---- what cannot be done
refuses_ 2 'give --qat TYPE' finetune $small $tune --qat-from 3 -o x train.lms
refuses_ 1 '--qat' finetune -a lstm --layers 1 --width 32 $tune --qat q4_0 -o x train.lms
refuses_ 2 'q4_0' finetune $small $tune --qat q9 -o x train.lms
