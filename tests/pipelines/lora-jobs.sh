#!/bin/bash
# lora: adapters are merged into models, taken out of them, scaled and converted.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small --max-steps 60 --learning-rate 1e-3 -q -o mini corpus.lms 2>/dev/null
tune="lora -m mini -b 16 -e 2 --learning-rate 3e-3 -q"
$tune -r 4 --target all-linear --seed 1 -o one train.lms
$tune -r 4 --target all-linear --seed 2 --dora -o two train.lms
head -n 200 corpus.txt | tok -q -m tokdir >words.lms
pretrain -a gpt2 --layers 2 --width 32 --heads 2 --max-length 64 --max-steps 40 --learning-rate 1e-3 -q -o gpt corpus.lms 2>/dev/null
for seed in 3 4; do
    lora -m gpt --task clm -q -r 4 --target all-linear --seed $seed --max-steps 30 --learning-rate 5e-3 -o clm$seed words.lms 2>/dev/null
done
value() { # NAME FILE: of a report of score
    awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$2"
}
losses() { # MODEL STREAM: score's report of it
    score -m "$1" "$2" >"report-${1//\//-}"
    value loss "report-${1//\//-}"
}
near() { # A B LIMIT
    awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 <= limit ^ 2) }' || fail_ "$1 and $2"
}

# ---- merged, a model does what it did with the adapter, with its head and its classes
for adapter in one two; do
    lora --merge -m mini $adapter -o merged-$adapter 2>err
    grep -qE 'tensors are changed, by [0-9.e-]+ on average and [0-9.e-]+ at most \(bert\.' err || fail_ "$(cat err)"
    near "$(losses mini+$adapter test.lms)" "$(losses merged-$adapter test.lms)" 2e-5
    lms --check -m merged-$adapter
    cmp mini/vocab.txt merged-$adapter/vocab.txt
done
grep -q '"0": "business"' merged-one/config.json || fail_ "$(cat merged-one/config.json)"
lora --merge -m mini one -o - -q | score -m - test.lms >piped
near "$(value loss piped)" "$(losses merged-one test.lms)" 1e-9
lora --merge -m mini one --as bf16 --max-shard-size 40KB -o halves.tar.zst -q
near "$(losses halves.tar.zst test.lms)" "$(losses merged-one test.lms)" 1e-2

# ---- several: added, weighed, by what they agree on; by chance, but the same chance
lora --merge -m gpt clm3 clm4 -o both -q
near "$(losses both words.lms)" "$(losses gpt+clm3+clm4 words.lms)" 2e-5
lora --merge -m gpt clm3 clm4 --weights 1,0 -o first -q
near "$(losses first words.lms)" "$(losses gpt+clm3 words.lms)" 2e-5
lora --merge -m gpt+clm3 clm4 -q -o onto
near "$(losses onto words.lms)" "$(losses both words.lms)" 2e-5
lora --merge -m gpt clm3 clm4 --weights 0.5,0.5 -q -o mean
for method in ties dare_linear dare_ties; do
    lora --merge -m gpt clm3 clm4 --weights 0.5,0.5 --method $method --density 0.7 --seed 5 -o $method -q
    for density in 0 1; do # nothing is kept of a change; or all, and then a sum of two is a sum, while signs are still elected
        lora --merge -m gpt clm3 clm4 --weights 0.5,0.5 --method $method --density $density -o $method-$density -q
    done
    cmp $method-0/model.safetensors gpt/model.safetensors
    for other in mean $method-0 $method-1; do
        ! cmp -s $method/model.safetensors $other/model.safetensors || fail_ "$method is $other"
    done
done
near "$(losses dare_linear-1 words.lms)" "$(losses mean words.lms)" 2e-5
cmp ties-1/model.safetensors dare_ties-1/model.safetensors
! cmp -s ties-1/model.safetensors mean/model.safetensors || fail_ "ties elects no signs"
lora --merge -m gpt clm3 clm4 --weights 0.5,0.5 --method dare_ties --density 0.7 --seed 5 -j 1 -o again -q
cmp dare_ties/model.safetensors again/model.safetensors

# ---- half of a change, and none
lora --scale 0.5 one -o half -q
grep -qF '"lora_alpha": 2' half/adapter_config.json || fail_ "$(cat half/adapter_config.json)"
cmp one/adapter_model.safetensors half/adapter_model.safetensors
lora --scale 0 clm3 -o none -q
near "$(losses gpt+none words.lms)" "$(losses gpt words.lms)" 1e-6

# ---- out of two models: of the rank that made it, all of it
lora --extract both -m gpt -r 8 --target all-linear -o taken 2>err
grep -qE 'holds (99\.9|100)' err || fail_ "$(cat err)"
near "$(losses gpt+taken words.lms)" "$(losses both words.lms)" 1e-4
lora --extract both gpt -r 1 --target all-linear -o little 2>err
grep -qE 'holds [1-9][0-9.]*%' err || fail_ "$(cat err)"

# ---- for llama.cpp
lora --gguf -m gpt clm3 -o clm3.gguf -q
same_ GGUF "$(head -c 4 clm3.gguf)"
for name in adapter.lora.alpha blk.0.attn_qkv.weight.lora_a blk.1.ffn_down.weight.lora_b; do
    grep -qaF $name clm3.gguf || fail_ "no $name in clm3.gguf"
done
refuses_ 1 'as a whole, and llama.cpp' lora --gguf -m mini two -o x

# ---- what is wrong
refuses_ 2 'different jobs' lora --merge --scale 2 -m mini one -o x
refuses_ 2 'no name for the result' lora --merge -m mini one
refuses_ 2 '2 numbers, and there are 1' lora --merge -m mini one --weights 1,2 -o x
refuses_ 2 'give numbers with commas' lora --merge -m mini one --weights 1x -o x
refuses_ 2 'lora --merge -m BASE' lora --merge one -o x
refuses_ 2 'a linear merge keeps all' lora --merge -m mini one --density 0.5 -o x
refuses_ 2 'one adapter at a time' lora --scale 2 one two -o x
refuses_ 2 'Its names depend on it' lora --gguf clm3 -o x
refuses_ 2 'of what?' lora --extract both -o x
pretrain $small --width 48 --max-steps 1 -q -o wide corpus.lms 2>/dev/null
refuses_ 1 'another base' lora --merge -m wide one -o x
refuses_ 1 'mini' lora --scale 2 mini -o x
test ! -e x || fail_ "something stands under the name of what failed"
