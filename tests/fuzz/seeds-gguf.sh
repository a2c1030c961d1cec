#!/bin/bash
# Makes the seeds of fuzz_gguf in the directory $1.
set -e -u
. "$(dirname "$0")/numbers.inc"
mkdir -p "$1"
cd "$1"
string() { # TEXT
    printf '%s%s' "$(int 8 "$(($(printf '%b.' "$1" | wc -c) - 1))")" "$1"
}
entries=0
body=
entry() { # KEY TYPE VALUE
    body+="$(string "$1")$(int 4 "$2")$3"
    entries=$((entries + 1))
}
strings() { # KEY TEXT...
    local key=$1 text all=
    shift
    for text; do all+=$(string "$text"); done
    entry "$key" 9 "$(int 4 8)$(int 8 $#)$all"
}
ints() { # KEY VALUE...
    local key=$1
    shift
    entry "$key" 9 "$(int 4 5)$(int 8 $#)$(int 4 "$@")"
}
text() { entry "$1" 8 "$(string "$2")"; }
id() { entry "tokenizer.ggml.$1" 4 "$(int 4 "$2")"; }
yes() { entry "tokenizer.ggml.$1" 7 '\x01'; }
file() { # NAME [TENSORS-COUNT TENSORS DATA]
    printf '%b' "GGUF$(int 4 3)$(int 8 "${2:-0}")$(int 8 $entries)$body${3:-}" >"$1"
    truncate -s %32 "$1"
    printf '%b' "${4:-}" >>"$1"
    entries=0
    body=
}
k=tokenizer.ggml m='\xe2\x96\x81'

text general.architecture llama
entry general.alignment 4 "$(int 4 32)"
entry llama.context_length 4 "$(int 4 64)"
text $k.model llama
strings $k.tokens '<unk>' '<s>' '</s>' '<0x41>' $m a b ab "${m}a" '<x>' ''
ints $k.token_type 2 3 3 6 1 1 1 1 1 4 5
entry $k.scores 9 "$(int 4 6)$(int 8 11)$(int 4 0 0 0 0 3225419776 3225419776 3225419776 3212836864 3221225472 0 0)"
yes add_eos_token
yes add_space_prefix
text tokenizer.chat_template '{{ x }}'
file llama 2 "$(string w)$(int 4 2)$(int 8 2 3)$(int 4 0)$(int 8 0)$(string q)$(int 4 1)$(int 8 5)$(int 4 99)$(int 8 32)" "$(int 8 1 2 3 4)"

for pre in gpt-2 llama-bpe qwen2 starcoder roberta-bpe default deepseek-coder bloom unheard-of; do
    text $k.model gpt2
    text $k.pre $pre
    strings $k.tokens a b ab '\xc4\xa0' '<s>' '</s>' '<mask>' 1
    ints $k.token_type 1 1 1 1 3 3 3 1
    strings $k.merges 'a b'
    id bos_token_id 4
    id eos_token_id 5
    id mask_token_id 6
    test $pre = gpt-2 || yes add_bos_token
    file gpt2-$pre
done
text $k.model gpt2
strings $k.tokens a b
file gpt2-without-merges

text $k.model bert
strings $k.tokens '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' "${m}the" e '##'
ints $k.token_type 3 2 3 3 3 1 1 1
id cls_token_id 2
id seperator_token_id 3
id unknown_token_id 1
entry $k.normalizer.lowercase 7 '\x00'
yes normalizer.strip_accents
file bert

text $k.model t5
strings $k.tokens '<pad>' '</s>' '<unk>' $m a "${m}a"
ints $k.token_type 3 3 2 1 1 1
entry $k.scores 9 "$(int 4 6)$(int 8 6)$(int 4 0 0 0 3225419776 3225419776 3212836864)"
entry $k.precompiled_charsmap 9 "$(int 4 0)$(int 8 12)$(int 4 4 1024 0)"
id bos_token_id 0
yes add_bos_token
file t5

for type in 0 1 2 3 4 5 6 7 10 11 12; do entry "t$type" $type "$(int 8 1 | cut -c1-$((4 * (type == 0 || type == 1 || type == 7 ? 1 : type == 2 || type == 3 ? 2 : type > 9 ? 8 : 4))))"; done
entry b 9 "$(int 4 7)$(int 8 2)\x01\x00"
entry bad 9 "$(int 4 9)$(int 8 0)"
file types
text $k.model rwkv
file rwkv
file empty
entry k 0 x
entry k 0 x
file twice
entry general.alignment 4 "$(int 4 12)"
file alignment
printf '%b' "GGUF$(int 4 1)" >version
printf '%b' "GGUF$(int 4 50331648)" >big-endian
for shape in "5$(int 8 1 1 1 1 1)" "1$(int 8 31)" "1$(int 8 400)"; do
    file "tensor-${shape:0:1}-${#shape}" 1 "$(string t)$(int 4 "${shape:0:1}")${shape:1}$(int 4 8)$(int 8 0)" "$(int 8 0 0)"
done
file unaligned 1 "$(string t)$(int 4 0)$(int 4 0)$(int 8 4)" "$(int 8 0)"
file same-name 2 "$(string t)$(int 4 0)$(int 4 99)$(int 8 0)$(string t)$(int 4 0)$(int 4 99)$(int 8 0)"
