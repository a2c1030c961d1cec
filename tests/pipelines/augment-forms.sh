#!/bin/bash
# augment: every form of records goes in and comes out as it was, and what is no record is told of as all programs tell it.
. "$(dirname "$0")/init.sh"

wide_() { # texts with full-width letters, which --normalize nfkc changes
    augment -q --normalize nfkc "$@"
}

# ---- fields: by name, number and path; the rest of the record keeps its spelling
printf '{"t":{"a":["x","\\uff21"]}, "b" : "Ｂ\\u00e9", "n":1.50}\n["l","Ａ"]\n' >paths.jsonl
same_ '{"t":{"a":["x","A"]}, "b" : "Ｂ\u00e9", "n":1.50}' "$(head -n 1 paths.jsonl | wide_ --input-format jsonl --text '.t.a[1]')"
same_ '{"t":{"a":["x","A"]}, "b" : "Bé", "n":1.50}' "$(head -n 1 paths.jsonl | wide_ --input-format jsonl --text 'b,.t.a[1]')"
same_ '["l","A"]' "$(tail -n 1 paths.jsonl | wide_ --input-format jsonl --text 2)"
same_ '"A"' "$(echo '"Ａ"' | wide_ --input-format jsonl)"
printf '"x","Ａ","Ｂ ""q"""\r\n"y",Ａ,"Ｂ\r\nＣ"\r\n' >numbers.csv
same_ $'"x","A","B ""q"""\r\n"y",A,"B\r\nC"\r' "$(wide_ --header no --text 2,3 numbers.csv)"
same_ $'"x","A","Ｂ ""q"""\r\n"y",A,"Ｂ\r\nＣ"\r' "$(wide_ --header no --text 2 numbers.csv)"
printf 'n\ttext\n1\t"Ａ\n' >quote.tsv
same_ $'n\ttext\n1\t"A' "$(wide_ quote.tsv)"

# ---- encodings become UTF-8, and marks of byte order go
printf '글,표\n가Ａ,나\n' | iconv -t cp949 >cp949.csv
same_ $'글,표\n가A,나' "$(wide_ --encoding cp949 --text 글 cp949.csv)"
printf '\xef\xbb\xbftext\nＡ\n' >bom.csv
same_ $'text\nA' "$(wide_ bom.csv)"
printf 'Ａ\r\n' | iconv -t utf-16 >wide.txt
same_ $'A\r' "$(wide_ wide.txt)"
printf '{"text":"a\xff","k":"\xc3"}\n' >ill.jsonl
same_ $'{"text":"a\xef\xbf\xbd","k":"\xef\xbf\xbd"}' "$(wide_ ill.jsonl)"
refuses_ 1 'ill.jsonl:1: invalid UTF-8 at byte' augment --strict ill.jsonl

# ---- several files are one, with one header; an archive's too
mkdir parts
printf 'text,n\nＡ,1\nｂ,2' >parts/1.csv
printf 'text,n\nc,3\n' >parts/2.csv
printf 'text,n\nA,1\nb,2\nc,3\n' >want
wide_ parts/1.csv parts/2.csv >got
compare_ want got
tar -cf parts.tar -C parts 1.csv 2.csv
wide_ parts.tar >got
compare_ want got
printf 'text,m\nd,4\n' >other.csv
refuses_ 1 "other.csv: its columns are not those of parts/1.csv" augment parts/1.csv other.csv >got
refuses_ 1 "it is jsonl, and parts/1.csv is csv" augment parts/1.csv paths.jsonl >got
printf 'text,n\n' >empty.csv
same_ 'text,n' "$(augment -q empty.csv)"

# ---- forms that are no lines: as a stream, or by way of lms --plain
printf '[{"text":"Ａ",\n"k":[1]}, {"text":"b"}]' >array.json
refuses_ 1 "array.json: a JSON array is not written again as it stands: give --framed" augment array.json
same_ $'{"text":"A","k":[1]}\n{"text":"b"}' "$(wide_ --framed array.json | lms --plain)"
same_ $'{"text":"A","k":[1]}\n{"text":"b"}' "$(lms --plain array.json | wide_)"
printf '{"text":"Ａ","k":[1,  2]}\n{"text":"b"}\n' >lines.json
same_ $'{"text":"A","k":[1,  2]}\n{"text":"b"}' "$(wide_ lines.json)"
printf -- '-DOCSTART- -X- O\n\na O\n' >words.conll
refuses_ 1 "CoNLL blocks are words with a tag each" augment words.conll
refuses_ 1 "the text is a list of words" augment --input-format jsonl <<<'{"words":["a","b"],"tags":["O","O"]}'
same_ $'{"text":"A","label":"x","n":"1"}\n{"text":"b"}' "$(printf 'n,text,label\n1,Ａ,x\n' >some.csv
    echo '{"text":"b"}' >some.jsonl
    wide_ --framed some.csv some.jsonl | lms --plain)"

# ---- a field of its own says what was done; where there is one it goes on
one='[{"op":"one"}]'
printf 'text,aug\nＡ,"[{""op"":""one""}]"\n' >again.csv
augment -q --sample 100% --typo 1 --provenance again.csv >got 2>err
grep -q '^[^,]*,"\[{""op"":""one""},{""op"":""typo""' got || fail_ "$(cat got err)"
echo "{\"text\":\"hello there\",\"aug\":$one}" | augment -q --typo 1 --provenance --input-format jsonl >got
grep -q '"aug":\[{"op":"one"},{"op":"typo"' got || fail_ "$(cat got)"
refuses_ 1 'plain lines have no place for `aug`: give --framed' augment --typo 1 --provenance --input-format text <<<'hello there'
echo 'hello there' | augment -q --typo 1 --provenance --framed --input-format text | lms --plain >got
grep -q '"aug":\[{"op":"typo"' got || fail_ "$(cat got)"

# ---- what is no record is told of as lms tells it, and the rest goes out
{
    printf 'text,label\n'
    for ((i = 0; i < 30000; i++)); do
        case $((i % 1000)) in
        7) printf 'ragged,%d,2\n' $i ;;
        8) printf '"open" quote,%d\n' $i ;;
        9) printf '\n' ;;
        *) printf '"a ""quoted""\ntext %d",%d\n' $i $i ;;
        esac
    done
} >bad.csv
lms --plain -q --rejects want.jsonl bad.csv >plain 2>err
for j in 1 3; do
    augment -q -j$j --rejects got.jsonl bad.csv >good.csv 2>err
    compare_ want.jsonl got.jsonl
    lms --plain -q good.csv >got
    compare_ plain got
done
test "$(wc -l <want.jsonl)" -eq 60 || fail_ "$(wc -l <want.jsonl) are rejected"
head -n 16000 bad.csv >part.csv
lms --plain -q part.csv >plain 2>err && fail_ "a ragged row goes through"
refuses_ 1 "$(sed 's/^lms: //' err)" augment part.csv >got

# ---- what came before the input broke off goes out
awk 'BEGIN { for (i = 0; i < 60000; i++) printf "{\"text\":\"record %d %d\"}\n", i, i * i % 7919 }' | gzip >whole.jsonl.gz
head -c -1000 whole.jsonl.gz >cut.jsonl.gz
returns_ 3 augment -q cut.jsonl.gz >got
test "$(wc -l <got)" -gt 10000 || fail_ "$(wc -l <got) lines of a file that was cut"
zcat whole.jsonl.gz >whole.jsonl
head -n "$(wc -l <got)" whole.jsonl >want
compare_ want got

# ---- a record is as long as it is; a quote that is never closed is found out
{
    printf 'short\n'
    head -c 40000000 /dev/zero | tr '\0' x
    printf '\nＡ\n'
} >long.txt
wide_ --input-format text long.txt >got
test "$(wc -c <got)" -eq 40000009 || fail_ "$(wc -c <got) bytes of a long line"
same_ A "$(tail -n 1 got)"
{
    printf 'text,label\na,1\n"b,2\n'
    head -c 5000000 /dev/zero | tr '\0' '\n'
} >open.csv
refuses_ 1 'open.csv:3: a quote is opened here in field 1 and never closed' augment open.csv >got
