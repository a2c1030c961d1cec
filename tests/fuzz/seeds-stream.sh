#!/bin/bash
# Makes the seeds of fuzz_stream in the directory $1: the goldens where they are, and hand-made ones of every kind.
set -e -u
mkdir -p "$1"
cd "$1"

seed() { # NAME KIND: standard input behind the byte that says what it is
    { printf '%b' "$2"; cat; } >"$1"
}
if test -n "${LMUTILS_TESTDATA:-}"; then
    for file in "$LMUTILS_TESTDATA"/goldens/lms/*.lms; do
        test "$(stat -c %s "$file")" -gt 100000 || seed "golden-$(basename "$file")" L <"$file"
    done
fi

# ---- F: records to be framed
tokens='{"lms":1,"kind":"tokens","via":["x"],"tokenizer":{"vocab_size":9},"must":["n"]}\xff\xff'
int() { printf '\\x%02x\\0\\0\\0' "$@"; }
printf '%b' "$tokens"'{"n":2,"labels":["a","b"],"id":["x",7],"fields":{"f":[1,{"y":[]}]},"odd":1e5,"bytes":@,"tensors":{"ids":{"dtype":"I32","shape":[3],"data_offsets":[0,12]},"ids.splits":{"dtype":"I32","shape":[3],"data_offsets":[12,24]},"types":{"dtype":"U8","shape":[3],"data_offsets":[24,27],"rows":"ids.splits"},"label":{"dtype":"I32","shape":[2],"data_offsets":[27,35]}}}\n'"$(int 1 2 3 0 1 3)"'abc'"$(int 0 1)" | seed framed-tokens F
printf '%b' "$tokens"'{"n":1,"bytes":@,"tensors":{"ids":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"ids.splits":{"dtype":"I32","shape":[2],"data_offsets":[8,16]},"offsets":{"dtype":"I32","shape":[2,2],"data_offsets":[16,32]},"multi_label":{"dtype":"U8","shape":[1,3],"data_offsets":[32,35]},"h":{"dtype":"F16","shape":[2,1],"rows":"ids.splits","data_offsets":[35,39]},"text":{"dtype":"U8","shape":[2],"data_offsets":[39,41]},"text.splits":{"dtype":"I32","shape":[2],"data_offsets":[41,49]}}}\n'"$(int 4 5 0 2 0 1 1 2)"'\0\1\0\0\0\0\0hi'"$(int 0 2)"'\xff\xff{"flush":true}' | seed framed-columns F
printf '%b' "$tokens"'{"n":1,"bytes":@,"tensors":{"ids":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"ids.splits":{"dtype":"I32","shape":[2],"data_offsets":[4,12]},"label":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},"weight":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},"doc":{"dtype":"I32","shape":[1],"data_offsets":[20,24]},"row":{"dtype":"I32","shape":[1],"data_offsets":[24,28]},"logits":{"dtype":"F32","shape":[1,2],"data_offsets":[28,36]},"truncated":{"dtype":"U8","shape":[1],"data_offsets":[36,37]},"pair":{"dtype":"U8","shape":[1],"data_offsets":[37,38]},"pair.splits":{"dtype":"I32","shape":[2],"data_offsets":[38,46]},"word_ids":{"dtype":"I32","shape":[1],"data_offsets":[46,50]}}}\n'"$(int 5 0 1 0 0 3 4 0 0)"'\1p'"$(int 0 1 7)" | seed framed-scalars F
printf '%b' "$tokens"'{"n":2,"bytes":@,"tensors":{"x.wide":{"dtype":"F64","shape":[2,1],"data_offsets":[0,16]},"b":{"dtype":"BOOL","shape":[2],"data_offsets":[16,18]},"q":{"dtype":"Q8_0","shape":[2,32],"data_offsets":[18,86]},"whole":{"dtype":"U8","shape":[1],"data_offsets":[86,87]}}}\n0123456789abcdef\0\x01'"$(printf '%068d' 0)"'x' | seed framed-unknown F
printf '%b' '{"lms":1,"kind":"text"}\xff\xff{"text":"a","pair":"b","label":1,"id":"i","fields":{"x":[1]}}\xff\xff{"text":"\\u0000\\ud83d\\ude00"}\xff\xff{"abort":{"by":"tok","why":"x"}}' | seed framed-text F
printf '%b' '{"lms":1,"kind":"text"}\xff\xff{"text":"a"}\xff\xff{"text":"\\u00e9 \xc3\xa9"}\xff\xff{"text":"b","more":[1]}\xff\xff{"text":""}\xff\xff{"flush":true}\xff\xff{"text":"a line and as much as fills all of it, so that no pad is needed"}\xff\xff{"text":"c","must":["n"]}\xff\xff{"text":"d"}' | seed framed-lines F
printf '%b' '{"lms":1,"kind":"model"}\xff\xff{"file":"config.json","bytes":@}\n{}\xff\xff{"index":{"w":{"dtype":"F32","shape":[2,1]}}}\xff\xff{"part":[0,1,2],"bytes":@,"tensors":{"w":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}}\nabcd' | seed framed-model F
for kind in text model; do
    printf '{"lms":2,"kind":"%s","must":["later"]}' $kind | seed framed-$kind-newer F
done
printf '%b' "$tokens"'{"big":123456789012345678901234567890,"r":1e999,"deep":[[[[[[[[[[]]]]]]]]]],"s":"\\\\\\""}' | seed framed-numbers F

# ---- R: text. The second byte: format (& 15), header (>> 4), encoding (>> 6); the third: field, strict, quotes, label
text() { # NAME BYTES
    seed "text-$1" "R$2"
}
jsonl='{"text":"a","label":3,"id":"x","f":{"x":1,"x":2},"n":1.50}\n{"text":"b\\u00e9\\n\\ud83d\\ude00","pair":null}\n"bare"\n["l","t"]\n\n{"a":{"b":["deep"]},"title":"t","text":"\\ud800"}\n'
printf "$(printf '%s' "$jsonl" | sed 's/\\\\/\\\\\\\\/g')" | text auto '\0\0'
printf '%b' "$jsonl" | text jsonl '\1\0'
printf '%b' "$jsonl" | text path '\1\3'
printf '%b' "$jsonl" | text join '\1\4'
printf '%b' "$jsonl" | text values '\2\0'
printf '[{"text":"a"},\n {"text":"b",\n"f":[1,\n2]} ]' | text array '\2\1'
printf '"3","title, x","de""sc\nline"\r\n"4","t",""\r\n' | text csv '\3\0'
printf 'label,text\na,b\n"c ""d""","e\n"\n' | text csv-header '\23\40'
printf '1,x\n2,y,z\n' | text csv-ragged '\43\2'
printf 'text,label\n"a"b,1\n"open,2\n' | text csv-quotes '\3\0'
printf '\357\273\277sentence\tlabel\nit is\t1.5\n"q\tx"\t2\n' | text tsv '\4\100'
printf '"a\tb"\tc\n' | text tsv-quotes '\44\20'
printf 'one\r\n\n two\n\xff\xc3(\nlast' | text lines '\5\0'
printf 'a\xff\n' | text strict '\5\10'
printf '\xc7\xd1\xb1\xdb,1\n\xc7' | text cp949 '\203\0'
printf 'a\0\x5c\xd5\n\0x' | text utf16 '\305\0'
printf '\xff\xfea\0\n\0' | text bom16 '\0\0'
printf '1\0' | text number-nul '\1\0'
{
    printf '%-63s\n%-127s\n' '{"lms":1,"kind":"text"}' '{"text":"a","fields":{"x":1,"text":2},"new":[1]}'
    printf '%-63s\n' '{"flush":true}'
} | text lms '\10\0'
printf '{"end":{"records":1,"examples":1,"xxh3":"0123456789abcdef"}}%3s\n' '' | text end '\1\0'
printf '.m.t[1],x\n.m.l\n{"m":{"t":["no","yes"],"l":true},"x":"and"}\n{"m":1}\n' | text specs '\1\200'
printf '2,\n\na,b\n' | text specs-bad '\3\200'
printf 'no\n2\ntext,b\na,7\n' | text specs-missing '\3\300'
printf '[[{"text":"a"}' | text nested '\2\0'
printf '{"text":"a","f":{"deep":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}\n{"text":[1],"id":[2]}\n' | text deep '\1\0'
printf '%b' '{"lms":1,"kind":"tokens","tokenizer":{"path":"p","xxh3":"0123456789abcdef","behaviour":"fedcba9876543210","vocab_size":30522,"pad_id":0,"cls_id":101,"max_length":512}}\xff\xff{"n":0}' | seed framed-tokenizer F
printf -- '-DOCSTART- -X- O\n\nEU NNP B\nrejects VBZ O\n\n\nL\xff B\n' | text conll '\6\0'
printf '# text = a\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\ta\tX\t_\t_\t0\t_\t_\t_\n\n1\tb\n' | text conllu '\6\1'
printf '{"tokens":["a","b"],"ner_tags":["O","B-X"]}\n{"text":"x","labels":["p","q"]}\n{"text":["a",null]}\n{"text":"a","label":"p; q"}\n' | text lists '\1\2'
printf '{"data":[{"title":"t","paragraphs":[{"context":"a \xea\xb0\x80 b","qas":[{"id":"1","question":"q","answers":[{"text":"b","answer_start":4}]},{"question":"r","answers":[]}]}]},{"paragraphs":[]}]}\n{"text":"x"}\n' | text squad '\2\0'
printf '{"question":"q","context":"ab","answers":{"text":["b"],"answer_start":[1]}}\n{"question":"q","context":"","answers":"x"}\n{"question":1,"context":2,"answers":[[]]}\n' | text questions '\1\0'
if command -v tar >/dev/null; then
    mkdir -p tar.d
    echo 'the cat' >tar.d/1.txt
    echo 3 >tar.d/1.cls
    echo '{"caption":"x"}' >tar.d/2.json
    printf 'a\0b' >tar.d/2.png
    tar -C tar.d -b 1 -cf - 1.txt 1.cls 2.json 2.png | text tar '\7\0'
    tar -C tar.d -b 1 -cf - 1.txt 2.json 1.cls | head -c 2500 | text tar-cut '\7\1'
    rm -r tar.d
fi
