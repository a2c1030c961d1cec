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
