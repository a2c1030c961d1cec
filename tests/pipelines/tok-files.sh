#!/bin/bash
# tok: the files that are a tokenizer, and what is said where they are none.
. "$(dirname "$0")/init.sh"

# ---- vocab.json and merges.txt
mkdir gpt
printf '%s' '{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4,"<|endoftext|>":5}' >gpt/vocab.json
printf '#version: 0.2\na b\nĠ a\n' >gpt/merges.txt
printf 'ab ab a<|endoftext|>b\n' >text
same_ "2 3 2 4 5 1" "$(tok -m gpt --ids text)"
same_ "2 3 2 4 5 1" "$(tok --tokenizer gpt/merges.txt --ids text)"
same_ 'ab ab a<|endoftext|>b' "$(tok -m gpt/vocab.json --ids text | tok -d -m gpt --keep-special)"
printf 'b a\n' >>gpt/merges.txt
refuses_ 1 'gpt/merges.txt:4: what "b a" merges to is no token of vocab.json' tok -m gpt --ids text
printf '#version: 0.2\na b\nĠ x\n' >gpt/merges.txt
refuses_ 1 'gpt/merges.txt:3: "x" is no token of vocab.json' tok -m gpt --ids text
rm gpt/merges.txt
refuses_ 1 'gpt/merges.txt: is missing' tok -m gpt --ids text
echo '{"model_type": "gpt2"}' >gpt/config.json
refuses_ 1 'gpt/config.json: no tokenizer.json' tok -m gpt/config.json --ids text

# ---- SentencePiece: <unk> <s> </s> ▁ a b ab ▁ab, bytes of 'é'
mkdir llama
piece() { # BYTES-OF-TEXT SCORE TYPE
    printf '\n%b\n%b%s\x15%b\x18%b' "\\x$(printf %02x $((${#1} + 9)))" "\\x$(printf %02x ${#1})" "$1" "$2" "\\x0$3"
}
zero='\x00\x00\x00\x00' one='\x00\x00\x80\xbf' two='\x00\x00\x00\xc0' three='\x00\x00\x40\xc0'
model() {
    LC_ALL=C
    piece '<unk>' $zero 2; piece '<s>' $zero 3; piece '</s>' $zero 3; piece '▁' $three 1; piece a $three 1
    piece b $three 1; piece ab $one 1; piece '▁ab' $two 1; piece '<0xC3>' $zero 6; piece '<0xA9>' $zero 6
    printf '\x12\x05\x18\x02\x98\x02\x01' # BPE, byte_fallback
}
(model) >llama/tokenizer.model
printf 'ab abé\n' >text
same_ "1 7 7 8 9" "$(tok -m llama --ids text)"
same_ "1 7 7 8 9" "$(tok -m llama/tokenizer.model --ids text)"
same_ "ab abé" "$(tok -m llama --ids text | tok -d -m llama)"
echo '{"add_eos_token": true, "add_bos_token": false, "add_prefix_space": false}' >llama/tokenizer_config.json
same_ "6 7 8 9 2" "$(tok -m llama --ids text)"
echo '{"tokenizer_class": "NonesuchTokenizer"}' >llama/tokenizer_config.json
refuses_ 1 'needs: what "NonesuchTokenizer" makes of a SentencePiece model' tok -m llama --ids text
rm llama/tokenizer_config.json
head -c 60 llama/tokenizer.model >cut.model
refuses_ 1 'cut.model: breaks off behind piece' tok -m cut.model --ids text
echo 'not a model' >odd.model
refuses_ 1 'odd.model: no SentencePiece model' tok -m odd.model --ids text

# ---- GGUF
string() { LC_ALL=C; printf '%b\0\0\0\0\0\0\0%s' "\\x$(printf %02x ${#1})" "$1"; }
gguf() {
    printf 'GGUF\3\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0'
    string tokenizer.ggml.model; printf '\10\0\0\0'; string llama
    string tokenizer.ggml.tokens; printf '\11\0\0\0\10\0\0\0\7\0\0\0\0\0\0\0'
    for token in '<unk>' '<s>' '</s>' ▁ a b ab; do string "$token"; done
    string tokenizer.ggml.scores; printf '\11\0\0\0\6\0\0\0\7\0\0\0\0\0\0\0'; printf "$zero$zero$zero$three$three$three$one"
    string tokenizer.ggml.token_type; printf '\11\0\0\0\5\0\0\0\7\0\0\0\0\0\0\0'
    printf '\2\0\0\0\3\0\0\0\3\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0'
}
(gguf) >x.gguf
same_ "1 3 6 3 6 0" "$(tok -m x.gguf --ids text)"
same_ "ab ab" "$(printf 'ab ab\n' | tok -m x.gguf --ids | tok -d -m x.gguf)"
head -c 150 x.gguf >cut.gguf
refuses_ 1 'the file is cut off or damaged: fetch it again' tok -m cut.gguf --ids text
sed 's/tokenizer.ggml.model/tokenizer.ggml.modem/' x.gguf >none.gguf
refuses_ 1 'none.gguf: has no tokenizer inside: name one with --tokenizer' tok -m none.gguf --ids text

if test -n "$data"; then
    needs_data_ models/stories260K/stories260K.f32.gguf tokenizers/llama2/tokenizer.model data/nasty/blns.txt
    grep -v '^$' "$data/data/nasty/blns.txt" >lines
    tok -m "$data/models/stories260K" --ids lines >want
    tok -m "$data/models/stories260K/stories260K.f32.gguf" --ids lines >got
    compare_ want got
    tok -m "$data/tokenizers/llama2/tokenizer.json" --ids lines >want
    tok -m "$data/tokenizers/llama2/tokenizer.model" --ids lines >got
    compare_ want got
    refuses_ 1 'cut off' tok -m "$data/data/bad/fixtures/tiny.gguf" --ids text
    refuses_ 1 'has no tokenizer inside' tok -m "$data/data/bad/fixtures/empty.gguf" --ids text
fi
