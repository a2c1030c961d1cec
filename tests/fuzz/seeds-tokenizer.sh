#!/bin/bash
# Makes the seeds of fuzz_tokenizer in the directory $1: vocab.txt behind a 1, tokenizer.json of every component behind a 0.
set -e -u
mkdir -p "$1"
cd "$1"

printf '1[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\r\n##e\ncaf\nthe\n\n\xe4\xb8\xad\n' >vocab
printf '1[UNK]\n[CLS]\n' >vocab-without-sep

n=0
json() { # NORMALIZER PRE_TOKENIZER POST_PROCESSOR ADDED
    n=$((n + 1))
    printf '0{"added_tokens":[%s],"normalizer":%s,"pre_tokenizer":%s,"post_processor":%s,%s,%s}' "$4" "$1" "$2" "$3" \
        '"decoder":{"type":"WordPiece","prefix":"##","cleanup":true}' \
        '"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":20,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"##b":4,"the":5,"\u4e2d":6}}' \
        >"json-$n"
}
typed() { printf '{"type":"%s"}' "$1"; }
bert='{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}'
added='{"id":9,"content":"<x>","single_word":true,"lstrip":true,"rstrip":true,"normalized":false,"special":true},{"id":10,"content":"Caf","normalized":true,"special":false,"lstrip":true,"rstrip":true}'
template='{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}}'
json null null null ''
json "$bert" "$(typed BertPreTokenizer)" "$template" ''
json "$bert" "$(typed BertPreTokenizer)" '{"type":"BertProcessing","cls":["[CLS]",1],"sep":["[SEP]",2]}' "$added"
json "{\"type\":\"Sequence\",\"normalizers\":[$(typed NFKC),{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false},{\"type\":\"Prepend\",\"prepend\":\"x\"},$(typed Nmt),$(typed StripAccents),$(typed NFKD),$(typed Lowercase)]}" \
    "{\"type\":\"Sequence\",\"pretokenizers\":[$(typed Whitespace),{\"type\":\"Punctuation\",\"behavior\":\"MergedWithNext\"},{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"e\"}]}" "$template" "$added"
json "$(typed NFC)" "$(typed WhitespaceSplit)" null "$added"
json "$(typed NFD)" '{"type":"Punctuation","behavior":"Contiguous"}' null ''

# ---- 2: vocab.json, an empty line, merges.txt
two() { printf '2%s\n\n%b' "$2" "$3" >"two-$1"; }
two gpt2 '{"a":0,"b":1,"ab":2,"\u0120":3,"\u0120a":4,"<|endoftext|>":5}' '#version: 0.2\na b\n\xc4\xa0 a\n'
two roberta '{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"a":4,"b":5,"ab":6,"<mask>":7}' 'a b\r\n'
two clip '{"a":0,"a</w>":1,"b</w>":2,"ab</w>":3,"<|startoftext|>":4,"<|endoftext|>":5}' 'a b</w>\n'
two gpt '{"a":0,"a</w>":1,"b</w>":2,"ab</w>":3,"<unk>":4}' 'a b</w>\n'
two deberta '{"[CLS]":0,"[SEP]":1,"[UNK]":2,"a":3}' ''
two merges '{"a":0,"b":1}' 'a b\n'
two merge '{"a":0,"b":1}' 'ab\n'
two unknown '{"a":0,"b":1}' 'a c\n'
two ids '{"a":0,"b":"1"}' ''
two list '[1]' ''
two empty '{}' ''
for class in 6 : '>'; do # the classes that fuzz_tokenizer.c lists
    printf '%s%s\n\n%s\n' "$class" '{"a":0,"b":1,"ab":2,"<|endoftext|>":3}' 'a b' >"two-as-$(printf %d "'$class")"
done
two holes '{"a":0,"b":1000}' ''

# ---- other models, and their components
model() { # NAME NORMALIZER PRE_TOKENIZER POST_PROCESSOR DECODER MODEL
    printf '0{"added_tokens":[%s],"normalizer":%s,"pre_tokenizer":%s,"post_processor":%s,"decoder":%s,"model":%s}' "$added" \
        "$2" "$3" "$4" "$5" "$6" >"model-$1"
}
bytes='{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}'
metaspace='{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}'
replace='{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}'
decoders="{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\\u2581\"},\"content\":\" \"},$(typed ByteFallback),$(typed Fuse),{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"
model byte-bpe "$(typed NFC)" \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L}+|\\\\p{N}{1,3}|\\\\s+(?!\\\\S)\"},\"behavior\":\"Isolated\",\"invert\":false},$bytes]}" \
    '{"type":"RobertaProcessing","sep":["b",1],"cls":["a",0],"trim_offsets":true,"add_prefix_space":true}' "$bytes" \
    '{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":true,"vocab":{"a":0,"b":1,"ab":2,"\u0120":3},"merges":["a b"]}'
model llama "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\\u2581\"},$replace]}" null null "$decoders" \
    '{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"a":1,"b":2,"ab":3,"<0x41>":4,"\u2581":5},"merges":[["a","b"]]}'
model unigram '{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAQAAGUAZgA="},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"\u2581"}]}' \
    "$metaspace" "$template" "$metaspace" \
    '{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0],["\u2581",-2.5],["a",-3],["ab",-2],["b",-4]]}'
model words '{"type":"StripAccents"}' \
    '{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"UnicodeScripts"},{"type":"FixedLength","length":3}]}' \
    "{\"type\":\"Sequence\",\"processors\":[$bytes]}" '{"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true}' \
    '{"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,"ab":1,"The":2}}'
model suffix "$bert" "$(typed BertPreTokenizer)" null '{"type":"BPEDecoder","suffix":"</w>"}' \
    '{"type":"BPE","dropout":0.5,"unk_token":"<unk>","end_of_word_suffix":"</w>","vocab":{"<unk>":0,"a":1,"b</w>":2,"ab</w>":3,"a</w>":4},"merges":["a b</w>"]}'

# ---- 3: tokenizer_config.json, an empty line, tokenizer.json
printf '3{"pad_token":"a","eos_token":{"content":"b"},"model_max_length":1000000000000000019884624838656,"do_lower_case":true}\n\n%s' \
    "$(tail -c +2 json-3)" >config
