#!/bin/bash
# tok: what comes in by a pipe, in archives, cut, in odd bytes, and in lines as long as they get.
. "$(dirname "$0")/init.sh"

mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the cat sat dog big , '가' '##나' >bert/vocab.txt
echo '{"do_lower_case": false}' >bert/tokenizer_config.json
enc() { tok -q -m bert --no-special --ids "$@"; }

# ---- a csv in a pipe is seen to be one, and that is said; text with commas is not
printf 'label,text\nx,the cat\ny,"the dog, big"\n' >named.csv
printf '5 6\n5 8 10 9\n' >want
tok -m bert --no-special --ids <named.csv >got 2>err
compare_ want got
grep -q 'standard input: read as csv, since its first line has names' err || { cat err; fail_ "the guess is not said"; }
printf '3,"the cat"\n1,"the dog, big"\n' | tok -m bert --no-special --ids 2>err >got
compare_ want got
grep -q 'read as csv, since commas part its lines' err || { cat err; fail_ "the guess is not said"; }
printf 'the, cat\nthe, dog\n' | enc >got
printf '5 10 6\n5 10 8\n' >want
compare_ want got
printf 'the "cat", sat\nthe dog, big\n' | enc | wc -l | grep -qx 2
same_ '5 6' "$(enc --input-format text <<<'the cat')"
printf 'text\tlabel\nthe cat\tx\n' | enc >got
same_ '5 6' "$(cat got)"

# ---- WebDataset: members of one key are one record
mkdir -p shard/sub
printf 'the cat\n' >shard/0001.txt
printf '{"caption":"the dog","n":1}' >shard/0001.json
printf '3\n' >shard/0001.cls
printf '\x89PNG\0\0' >shard/0001.png
printf 'the big dog' >shard/sub.1.txt
printf '4' >shard/sub.1.cls
printf 'sat' >shard/sub/0003.txt
printf '7' >shard/sub/0003.cls
mv shard/sub.1.txt shard/0002.txt; mv shard/sub.1.cls shard/0002.cls
tar -C shard --sort=name -cf shard.tar 0001.cls 0001.json 0001.png 0001.txt 0002.cls 0002.txt sub
tok -m bert shard.tar >shard.lms 2>err
grep -q 'grouped by key' err || { cat err; fail_ "the guess is not said"; }
grep -q '.png is no text' err || { cat err; fail_ "what is left out is not said"; }
lms --view shard.lms >view
same_ '"3" "4" "7"' "$(grep '^  label' view | awk '{ print $2 }' | paste -sd' ')"
same_ '"0001" "0002" "sub/0003"' "$(grep '^  id ' view | awk '{ print $2 }' | paste -sd' ')"
grep -q '  field json {"caption":"the dog","n":1}' view || { cat view; fail_ "json is no field"; }
enc --input-format tar --text .json.caption --label cls --rejects r shard.tar >got
same_ '5 8' "$(cat got)"
same_ 2 "$(wc -l <r)"
for packer in gzip zstd xz; do
    command -v $packer >/dev/null || continue
    $packer -c shard.tar | enc >got
    printf '5 6\n5 9 8\n7\n' >want
    compare_ want got
done
refuses_ 1 'this is no archive' enc --input-format tar named.csv
# files of a key that stand apart are no samples of their own
tar -C shard -cf apart.tar 0001.txt 0001.cls 0002.txt 0001.json
refuses_ 1 'stand apart' enc --input-format tar --text txt apart.tar
# an archive that was cut: within a file, between two, and behind the last, where only the mark of the end is missing
size=$(stat -c %s shard.tar)
for bytes in 700 1024 5632 $((size - 10240 + 512)); do
    head -c $bytes shard.tar >cut.tar
    status=0
    enc --input-format tar cut.tar >got 2>err || status=$?
    same_ 3 $status
done
head -c 5632 shard.tar >cut.tar
refuses_ 3 'cut.tar' enc cut.tar
returns_ 3 tok -q -m bert -o out.lms cut.tar 2>err
test ! -e out.lms || fail_ "a cut archive gives a result"
# an archive of other files is read file by file, as ever
tar -cf plain.tar named.csv
enc plain.tar >got
printf '5 6\n5 8 10 9\n' >want
compare_ want got
tar -cf none.tar -T /dev/null
same_ '' "$(enc none.tar)"

# ---- compressed inputs that were cut ended early; damaged ones failed
awk 'BEGIN { for (i = 0; i < 20000; i++) print "the cat sat", i * 7919 % 10007 }' >many.txt
for packer in gzip zstd xz bzip2 lz4; do
    command -v $packer >/dev/null || continue
    $packer -c <many.txt >many.packed
    head -c $(($(stat -c %s many.packed) / 2)) many.packed >cut.packed
    status=0
    enc --input-format text cut.packed >got 2>err || status=$?
    test $status = 3 || { cat err; fail_ "$packer cut: exit status $status"; }
    cat cut.packed | { enc --input-format text >got 2>err || test $? = 3; }
done
gzip -c many.txt >many.gz
{ head -c 3000 many.gz; head -c 500 /dev/zero | tr '\0' '\377'; tail -c +3501 many.gz; } >bad.gz
returns_ 1 enc --input-format text bad.gz >got 2>err
refuses_ 3 'nothing in it' lms --check /dev/null
: >empty.txt
refuses_ 3 'empty.txt: there is nothing in it' lms --check empty.txt

# ---- -m for lms: ids as tokens
printf 'the "cat"\n' | tok -q -m bert | lms --view -m bert >view
grep -q '^    tokens \[CLS\] the \[UNK\] cat \[UNK\] \[SEP\]$' view || { cat view; fail_ "no tokens"; }
grep -q '^    as text "the cat"$\|^    as text "the \[UNK\] cat \[UNK\]"$' view || { cat view; fail_ "no text"; }
# where tokens end in a text of which a character is several
printf '%s\n' the cat >ascii.txt
tok -q --train bpe --vocab-size 259 --text 1 -o bytes ascii.txt 2>err || fail_ "$(cat err)"
printf 'the \xeb\x85\xb8\xf0\x9f\x98\x80\n' | tok -q -m bytes | lms --view -m bytes >view
grep -q '^    cut     "t|h|e| |||노||||😀"$' view || { cat view; fail_ "no cuts"; }
printf 'the\n' | tok -q -m bytes | lms --view -m bytes | grep '  cut ' && fail_ "cuts where tokens can be read"
mkdir other; { cat bert/vocab.txt; echo x; } >other/vocab.txt
printf 'the\n' | tok -q -m bert >the.lms
refuses_ 1 'not the one that the tokens were made with' lms --view -m other the.lms >/dev/null
refuses_ 2 'goes with --view' lms --count -m bert the.lms

# ---- encodings
printf '가나 the\n' | iconv -t cp949 >cp949.txt
same_ '11 12 5' "$(enc --encoding cp949 cp949.txt)"
same_ '11 12 5' "$(printf '가나 the\n' | iconv -t euc-kr | enc --encoding euc-kr)"
same_ '11 12 5' "$(printf '가나 the\n' | iconv -t utf-16 | enc)"
same_ '11 12 5' "$(printf '가나 the\n' | iconv -t utf-16be | enc --encoding utf-16be)"

# ---- NUL bytes, and invalid UTF-8: a U+FFFD for each maximal subpart, counted
printf 'the\0cat\nthe cat\n' | enc >got # BERT takes NUL out
printf '1\n5 6\n' >want
compare_ want got
printf 'the\xe4\xb8cat \xf0\x9f\x98 \xed\xa0\x80 \xc0\xaf\n\xff\n' >invalid
tok -m bert --keep-text --json invalid 2>err | grep -o '"text":"[^"]*"' >got
printf '"text":"the\xef\xbf\xbdcat \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd"\n"text":"\xef\xbf\xbd"\n' >want
compare_ want got
grep -q '2 records had invalid UTF-8' err || { cat err; fail_ "they are not counted"; }
refuses_ 1 'invalid:1: invalid UTF-8 at byte 4 (e4)' enc --strict invalid

# ---- lines of many MB, in a memory of a few times that; a table's row has an end, too
awk 'BEGIN { for (i = 0; i < 2000000; i++) printf "the cat sat on "; print "" }' >huge.txt # 30 MB
bytes=$(stat -c %s huge.txt)
most_of() { # COMMAND: its largest resident set, in bytes
    local pid most=0 line
    "$@" >/dev/null &
    pid=$!
    while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null); do
        most=$line
        sleep 0.02
    done
    wait $pid
    awk '{ print $2 * 1024 }' <<<"$most"
}
same_ 8000000 "$(enc --max-length 0 huge.txt | wc -w)"
used=$(most_of tok -q -m bert --max-length 128 --ids huge.txt)
test "$used" -lt $((5 * bytes + 60000000)) || fail_ "$used bytes for a line of $bytes"
used=$(most_of tok -q -m bert --max-length 0 --pack 512 huge.txt)
test "$used" -lt $((20 * bytes + 60000000)) || fail_ "$used bytes for a line of $bytes, packed"
