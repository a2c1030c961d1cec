#!/bin/bash
# lora over quantised models (QLoRA): it learns, the base stays as it is, and is never expanded as a whole.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\": *\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
value() { # NAME FILE: of a report of score
    awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$2"
}

# ---- a language model in each form: it learns, and what is written is an adapter of the quantised model
seq -f 'line %g of some text' 900 | tr '0-9' 'a-j' >text.txt
tok -q --train bpe --vocab-size 300 -o pieces text.txt
tok -q -m pieces --pack 32 text.txt >text.lms
pretrain -q -a llama --layers 2 --width 256 --heads 4 --inner 256 --tokenizer pieces --objective clm --max-steps 4 -o base text.lms
for form in nf4 int8 q8_0 q4_0 q4_k_m; do
    case $form in
    nf4) quant -q -t nf4 --double-quant -m base -o base-nf4 && model=base-nf4 ;;
    int8) quant -q -t int8 -m base -o base-int8 && model=base-int8 ;;
    *) quant -q -t $form -m base -o base-$form.gguf && model=base-$form.gguf ;;
    esac
    find "$model" -type f -exec sha256sum {} + >before
    lora -q -m $model --task clm -r 4 --target all-linear -b 8 --max-steps 12 --learning-rate 5e-3 --logging-steps 1 -o out-$form --log $form.jsonl text.lms
    awk -v first="$(sed -n 's/.*"loss": *\([0-9.]*\).*/\1/p' $form.jsonl | head -n 1)" -v end="$(last loss $form.jsonl)" \
        'BEGIN { exit !(end < first - 0.3) }' || fail_ "$form: $(cat $form.jsonl)"
    sha256sum -c --quiet before
    score --activations f32 -m $model text.lms >report
    score --activations f32 -m $model+out-$form text.lms >again
    awk -v a="$(value loss report)" -v b="$(value loss again)" 'BEGIN { exit !(b < a - 0.2) }' || fail_ "$form: $(cat report again)"
done

# ---- stopped and gone on with
run="lora -q -m base-nf4 --task clm -r 4 -b 8 --max-steps 12 --dropout 0.1"
$run -o whole text.lms
end_at KILL 4 $run -o out --checkpoint ck --save-steps 2 <text.lms
$run -o out --checkpoint ck --save-steps 2 --resume </dev/null
cmp whole/adapter_model.safetensors out/adapter_model.safetensors

# ---- LoftQ: nearer to what the model was
score -m base text.lms >report-base
lora -q -m base-nf4 --task clm -r 16 --target all-linear --init loftq --original base --max-steps 1 --learning-rate 1e-12 -o near text.lms
distance() { # MODEL: of its loss from the base's
    score -m "$1" text.lms >report
    awk -v a="$(value loss report)" -v b="$(value loss report-base)" 'BEGIN { d = a - b; printf "%.9f", d < 0 ? -d : d }'
}
awk -v near="$(distance base-nf4+near)" -v far="$(distance base-nf4)" 'BEGIN { exit !(near < far) }' ||
    fail_ "LoftQ is further away"

# ---- merged: into floats, onto what the quantised model says
lora -q --merge -m base-nf4 out-nf4 -o merged
score --activations f32 -m base-nf4+out-nf4 text.lms >report
score -m merged text.lms >again
awk -v a="$(value loss report)" -v b="$(value loss again)" 'BEGIN { exit !((a - b) ^ 2 < 1e-9) }' || fail_ "$(cat report again)"

# ---- and quantised again, in one go: what quant makes of that, with a report of how far it is from what was trained
for form in q8_0 q4_k nf4 f16; do
    case $form in
    nf4) out=again-nf4 ;;
    *) out=again-$form.gguf ;;
    esac
    lora -q --merge -m base-nf4 out-nf4 --as $form -o $out --report text.lms >report-$form
    quant -q -t $form -m merged -o other-$out
    score --activations f32 -m $out text.lms >report
    score --activations f32 -m other-$out text.lms >again
    compare_ report again
    awk -v d="$(value kl_divergence report-$form)" 'BEGIN { exit !(d != "" && d > -1e-9 && d < 0.2) }' || fail_ "$form: $(cat report-$form)"
done
test -z "$(ls -A | grep '\.merged')" || fail_ "$(ls -A)"
awk -v less="$(value kl_divergence report-q8_0)" -v more="$(value kl_divergence report-q4_k)" 'BEGIN { exit !(less < more) }'
lora -q --merge -m base-nf4 out-nf4 --as q8_0 -o again-q8_0.gguf # where a file stands already
refuses_ 2 'a stream of floats alone' lora --merge -m base-nf4 out-nf4 --as q8_0 -o -
refuses_ 2 'GGUF has no such type' lora --merge -m base-nf4 out-nf4 --as nf4 -o x.gguf
refuses_ 2 'compares with the base and its adapters' lora --merge -m base-nf4 out-nf4 --weights 2 --report text.lms -o x
test ! -e x && test ! -e x.gguf || fail_ "something stands under the name of what failed"

# ---- memory, mapped file and all: the base's bytes, the adapter with gradients and states, the activations, and 64 MB
pretrain -q -a llama --layers 2 --width 768 --heads 12 --inner 3584 --tokenizer pieces --objective clm --optimizer sgd -b 1 --max-steps 1 -o large text.lms
quant -q -t nf4 --double-quant -m large -o large-nf4
run="lora -q -m large-nf4 --task clm -r 8 --target all-linear -b 2 --max-steps 3 --micro-tokens 64"
$run -o small text.lms 2>err &
peak=0
while kill -0 $! 2>/dev/null; do
    while read -r key number rest; do
        test "$key" != VmHWM: || peak=$number
    done 2>/dev/null </proc/$!/status || :
    sleep 0.01
done
wait $! || fail_ "$(cat err)"
# a sanitizer keeps memory of its own beside the program's
if ! grep -q '^LM_CFLAGS = .*-fsanitize=' "$abs_top_builddir/Makefile"; then
    $run --plan text.lms >plan 2>err
    bound=$(awk -v file="$(du -sbL large-nf4/model.safetensors | cut -f 1)" \
        '/^(weights|gradients|optimizer|activations)_mib/ { sum += $2 + 0.5 } END { printf "%d", (sum + 64) * 1024 + file / 1024 }' plan)
    floats=$(($(du -sbL large/model.safetensors | cut -f 1) >> 10))
    echo "peak $peak kB, bound $bound kB, weights as floats $floats kB"
    test "$peak" -gt 0 -a "$peak" -le "$bound" || fail_ "$peak kB of $bound: $(cat plan)"
    test "$peak" -lt "$floats" || fail_ "$peak kB, and the weights as floats alone are $floats kB"
fi
