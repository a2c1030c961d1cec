#!/bin/bash
# What a run takes, and how it takes less: --recompute.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

# ---- blocks that are run again learn the same bits, in every family; dropout, several micro-batches, frozen blocks too
tiny="--tokenizer tokdir --layers 3 --width 32 --heads 2 --max-length 64 --max-steps 3 -b 16 --micro-tokens 150 -q"
for family in bert albert gpt2 llama lstm; do
    for how in "" --recompute; do
        pretrain -a $family $tiny -o $family$how $how corpus.lms 2>err
    done
    cmp $family/model.safetensors $family--recompute/model.safetensors
done
for how in --no-recompute --gradient_checkpointing; do
    finetune -m bert -e 1 -b 32 -q --freeze embeddings,layer.0 --log log -o news$how $how train.lms
    finetune -m bert -e 1 -b 32 -q --freeze embeddings,layer.0 --cache-frozen -o cached$how $how train.lms
done
cmp news--no-recompute/model.safetensors news--gradient_checkpointing/model.safetensors
cmp cached--no-recompute/model.safetensors cached--gradient_checkpointing/model.safetensors
# of both stacks
awk -F, 'NR > 1 { printf "{\"text\":\"%s\",\"target\":\"%s\"}\n", $2, $1 }' train.csv >pairs.jsonl
tok -q -m tokdir --text text --target target pairs.jsonl >pairs.lms
for how in "" --recompute; do
    finetune --task seq2seq -a t5 $tiny -o t5$how $how pairs.lms 2>err
done
cmp t5/model.safetensors t5--recompute/model.safetensors
