#!/bin/bash
# Makes the seeds of fuzz_gguf_model in the directory $1: those of fuzz_gguf, and models.
. "$(dirname "$0")/seeds-gguf.sh"
tensors=
count=0
at=0
tensor() { # NAME DIMENSION...: of F32, the fastest dimension first
    local name=$1 n=1 size
    shift
    for size; do n=$((n * size)); done
    tensors+="$(string "$name")$(int 4 $#)$(int 8 "$@")$(int 4 0)$(int 8 $at)"
    count=$((count + 1))
    at=$((at + (4 * n + 31) / 32 * 32))
}
model() { # NAME
    file "model-$1" $count "$tensors" "$(printf '\\x3f%.0s' $(seq $at))"
    tensors= count=0 at=0
}
number() { entry "$1" 4 "$(int 4 "$2")"; }
sizes() { # ARCHITECTURE
    text general.architecture "$1"
    number "$1.block_count" 1
    number "$1.context_length" 8
    number "$1.embedding_length" 4
    number "$1.feed_forward_length" 8
    number "$1.attention.head_count" 2
}

for architecture in llama qwen2 qwen3 gemma; do
    sizes $architecture
    number $architecture.attention.head_count_kv 1
    number $architecture.attention.key_length 4
    text $architecture.rope.scaling.type linear
    entry $architecture.rope.scaling.factor 6 "$(int 4 1073741824)"
    tensor token_embd.weight 4 5
    tensor blk.0.attn_q.weight 4 8
    tensor blk.0.attn_k.bias 4
    tensor blk.0.ffn_up.bias 8
    tensor output_norm.weight 4
    model $architecture
done
sizes llama
text lmutils.config '{"model_type":"llama","architectures":["LlamaForCausalLM"],"num_attention_heads":2,"rope_scaling":{"type":"linear"}}'
tensor token_embd.weight 4 5
tensor rope_freqs.weight 1
tensor output.weight 4 5
model llama-config
sizes gpt2
entry gpt2.attention.layer_norm_epsilon 6 "$(int 4 925353388)"
tensor token_embd.weight 4 5
tensor blk.0.attn_qkv.weight 4 12
model gpt2
sizes bert
strings bert.classifier.output_labels yes no
id padding_token_id 1
text $k.model gpt2
tensor token_embd.weight 4 5
tensor position_embd.weight 4 6
tensor token_types.weight 4 2
tensor cls.weight 4 4
tensor cls.output.weight 4 2
model bert
sizes t5
number t5.attention.key_length 2
number t5.attention.value_length 2
number t5.decoder_block_count 2
tensor token_embd.weight 4 5
tensor enc.blk.0.ffn_gate.weight 4 8
tensor dec.blk.1.cross_attn_q.weight 4 4
model t5
text general.architecture llama
text general.type adapter
file adapter
sizes llama
number split.count 2
model cut
