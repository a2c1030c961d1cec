#!/bin/bash
# Models that quant wrote are used in place of their originals, from files and from pipes; and are refused where they are damaged.
. "$(dirname "$0")/init.sh"
needs_data_ models/stories260K/model.safetensors
base=$data/models/stories260K

printf 'Once upon a time there was a girl who liked to play.\n' | tok -m "$base" >text.lms
loss() { # WHAT scores how many thousandths more than the base does
    score "$@" text.lms 2>err | awk -v base="$(score -m "$base" text.lms | awk '$1 == "loss" { print $2 }')" \
        '$1 == "loss" { d = ($2 - base) * 1000; printf "%d\n", d < 0 ? -d : d }'
}
near() { # MOST WHAT...
    local most=$1 got
    shift
    got=$(loss "$@")
    test -n "$got" && test "$got" -le "$most" || fail_ "score $*: the loss is $got thousandths off: $(cat err)"
}

quant -q -t q8_0 -m "$base" -o m.gguf
quant -q -t int8 -m "$base" -o int8
quant -q -t nf4 --double-quant -m "$base" -o nf4
near 30 -m m.gguf
near 30 -m m.gguf --activations f32
near 30 -m int8
near 600 -m nf4
near 0 -m "$base"
same_ "$(score -m m.gguf text.lms)" "$(score -m - text.lms <m.gguf)"
lms -m nf4 -o nf4.lms
same_ "$(score -m nf4 text.lms)" "$(score -m nf4.lms text.lms)"
lms --check -m nf4.lms | grep -q 'NF4 (35)' || fail_ "$(lms --check -m nf4.lms)"

# ---- what is trained becomes float32, and the tokenizer comes out of the file
finetune -m m.gguf --task clm --max-steps 2 -o tuned text.lms 2>err
grep -q 'matrices of m.gguf were quantised' err || fail_ "$(cat err)"
lms --check -m tuned | grep -q 'F32, a tokenizer of 512 ids' || fail_ "$(lms --check -m tuned)"

# ---- other forms are quant's business
refuses_ 2 'by quant' lms -m m.gguf -o x
refuses_ 1 'quant --dequantize' lms -m nf4 --dtype bf16 -o x

# ---- damage
damage() { # FROM TO: in the weights of a copy, of one length
    rm -rf bad
    cp -r "${3:-nf4}" bad
    sed -i "0,/$1/s//$2/" bad/model.safetensors
}
damage '"blocksize": 64' '"blocksize": 63'
refuses_ 1 'no shape of a matrix and block sizes' score -m bad text.lms
damage '"shape": \[64, 64\]' '"shape": [64, 65]'
refuses_ 1 'are not 64 x 65 numbers of 4 bits' score -m bad text.lms
damage 'weight.absmax"' 'weight.absmix"'
refuses_ 1 'its scales (absmax) are no' score -m bad text.lms
damage 'q_proj.SCB"' 'q_proj.SCX"' int8
refuses_ 1 'dtype I8 is not one that weights can have' score -m bad text.lms
sed -i 's/"bitsandbytes"/"gptq"/' nf4/config.json
refuses_ 1 'nf4: config.json: quantization_config: weights of gptq are not read' score -m nf4 text.lms
head -c 300000 m.gguf >cut.gguf
refuses_ 1 'cut.gguf: ' score -m cut.gguf text.lms
