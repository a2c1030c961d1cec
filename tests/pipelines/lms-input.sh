#!/bin/bash
# What people have: csv with all its ways, encodings, compressed files, archives, and inputs that are nearly nothing.
. "$(dirname "$0")/init.sh"

text() { # the texts, with labels
    lms -q "$@" | sed -E 's/^\{"text":"(.*)","label":"?([^"]*)"?.*/\2: \1/'
}

printf 'label,text\r\nsport,"a ""late"" goal,\nthen rain"\r\ntrade,shares fell\r\n' >crlf.csv
printf 'sport: a \\"late\\" goal,\\nthen rain\ntrade: shares fell\n' >want
text crlf.csv >got
compare_ want got

# the same with a byte-order mark, as utf-16, by all the ways to pack it
{ printf '\xef\xbb\xbf'; cat crlf.csv; } >bom.csv
iconv -f utf-8 -t utf-16 crlf.csv >utf16.csv
iconv -f utf-8 -t utf-16be crlf.csv >utf16be.csv
text bom.csv >got
compare_ want got
text utf16.csv >got
compare_ want got
text --encoding utf-16be utf16be.csv >got
compare_ want got
for packer in gzip xz zstd bzip2; do
    command -v $packer >/dev/null || continue
    $packer -c crlf.csv >packed
    text --input-format csv packed >got # by its bytes, whatever it is called
    compare_ want got
    $packer -c crlf.csv | lms -q --count --input-format csv | grep -qx "examples	2"
    $packer -c </dev/null | lms -q --count | grep -qx "examples	0"
done
gzip -c crlf.csv >crlf.csv.gz
text crlf.csv.gz >got
compare_ want got
head -c 60 crlf.csv.gz >cut.csv.gz
refuses_ 3 'cut.csv.gz: cannot unpack' lms -q cut.csv.gz >/dev/null

# a tar of shards, each with its own header, by name; file and line in messages
mkdir shards
cp crlf.csv shards/1.csv
printf 'text,label\n가나다,ko\n' >shards/2.csv
printf '%s\n' '{"text":"x","label":"j"}' >shards/3.jsonl
tar --sort=name -cf shards.tar shards
cp want want.shards
printf 'ko: 가나다\nj: x\n' >>want.shards
text shards.tar >got
compare_ want.shards got
tar --sort=name -czf shards.tgz shards
text shards.tgz >got
compare_ want.shards got
text <shards.tar >got
compare_ want.shards got
cat shards.tgz | text - >got
compare_ want.shards got
printf 'text,label\na,b\nc\n' >shards/4.csv
tar --sort=name -cf shards.tar shards
refuses_ 1 'shards.tar:shards/4.csv:3: 1 fields where line 1 has 2' lms -q shards.tar >/dev/null

# Korean encodings
printf '한글,긍정\n' | iconv -f utf-8 -t cp949 >cp949.csv
same_ '긍정: 한글' "$(text --encoding cp949 --header no --text 1 --label 2 cp949.csv)"
same_ '긍정: 한글' "$(text --encoding euc-kr --header no --text 1 --label 2 cp949.csv)"
lms --header no --text 1 cp949.csv 2>err >got
grep -q 'cp949.csv:1: invalid UTF-8 is replaced' err
grep -q $'\xef\xbf\xbd' got
refuses_ 1 'cp949.csv:1: invalid UTF-8 at byte 1 (c7)' lms -q --strict --header no cp949.csv
refuses_ 2 'unknown encoding' lms -q --encoding cp000 cp949.csv

# tables that break the rules, with file and line; or put aside
printf 'text,label\na,1\nb\n"c\nd",2\n"e"f,3\ng,4,5\nh,6\n' >ragged.csv
refuses_ 1 'ragged.csv:3: 1 fields where line 1 has 2' lms -q ragged.csv >/dev/null
lms -q --rejects bad.jsonl ragged.csv >got 2>err
printf '%s\n' '{"text":"a","label":"1"}' '{"text":"c\nd","label":"2"}' '{"text":"h","label":"6"}' >want
compare_ want got
grep -q '3 records were rejected: see bad.jsonl' err
same_ "3 6 7" "$(sed -E 's/.*"line":([0-9]+).*/\1/' bad.jsonl | xargs)"
printf 'text,label\n"never closed,1\n' >open.csv
refuses_ 1 'open.csv:2: a quote is opened here' lms -q open.csv >/dev/null
refuses_ 1 'no field `titel` (there are: text, label)' lms -q --text titel ragged.csv
printf '%s\n' '{"text":"a"}' '{"text":' >bad.jsonl
refuses_ 1 'bad.jsonl:2: not JSON' lms bad.jsonl >/dev/null

# nearly nothing
: >empty
lms -q --count empty | grep -qx "examples	0"
lms --framed empty | lms --check >/dev/null
lms </dev/null >got
test ! -s got
printf '\n\n' | lms -q >got
test ! -s got
printf 'no end of line' | lms -q >got
same_ '{"text":"no end of line"}' "$(cat got)"
printf 'a\0b\n' | lms -q --framed | lms --plain >got
same_ '{"text":"a\u0000b"}' "$(cat got)"
refuses_ 1 'missing.csv: cannot open' lms missing.csv
refuses_ 1 'Is a directory' lms .

# a text of more than a header can hold says so; without a frame it goes through
head -c 2000000 /dev/zero | tr '\0' x >long.txt
lms -q long.txt | lms -q --count --input-format jsonl | grep -qx "examples	1"
refuses_ 1 'more than a stream can hold' lms -q --framed long.txt >/dev/null

# an end record where no stream began: a preamble was lost
printf '%s\n' '{"text":"a"}' | lms --framed >good.lms
tail -n +2 good.lms >beheaded
refuses_ 1 'preamble is damaged' lms --input-format jsonl beheaded >/dev/null
refuses_ 1 '--require-end' lms --require-end crlf.csv
lms --require-end good.lms | lms --check >/dev/null
