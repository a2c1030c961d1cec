#!/bin/bash
# augment: quality filters, lengths, and rules of a file.
. "$(dirname "$0")/init.sh"

# ---- filters: what stays is as it was, byte for byte; what does not is told
words() { # N [FIRST]: different words, with stop words among them
    seq "${2:-1}" $((${2:-1} + $1 - 1)) | awk '{ printf "%s%s", (NR > 1 ? " " : ""), ($1 % 7 == 0 ? "the" : $1 % 7 == 3 ? "of" : "stone" $1) }'
}
{
    printf '{"id":1,"text":"%s","label":"kept"}\r\n' "$(words 60)"
    printf '{"id":2, "text":"%s"}\n' "$(words 40)"
    printf '{"id":3,"text":"%s # # # # # # # # #"}\n' "$(words 60)"
    printf '{"text":"%s","id":4}\n' "$(words 60 100)"
} >in.jsonl
augment --filter gopher-quality --rejects rejects.jsonl in.jsonl >out.jsonl
sed -n '1p;4p' in.jsonl >expected
compare_ expected out.jsonl
grep -q '"line":2,.*gopher-quality:min-doc-words=50: 40 words' rejects.jsonl
grep -q '"line":3,.*gopher-quality:max-symbol-word-ratio=0.1: 0.130435 # a word' rejects.jsonl
same_ 2 "$(wc -l <rejects.jsonl)"
augment --quality_filter gopher_quality:min_doc_words=40:max-symbol-word-ratio=0 in.jsonl | cmp - in.jsonl
augment --filter gopher,fineweb -j2 in.jsonl 2>err | wc -l >count
same_ 0 "$(cat count)" # lines without a full stop
grep -q 'filter: fineweb: 2 records dropped (line-punct-thr 2)' err

# c4 changes texts, in the form that was read
printf 'label,text,note\r\n1,"Menu\nThis line is ""kept"".\nSo is [1] this one.",x\r\n2,"Click here",y\r\n' >in.csv
printf 'label,text,note\r\n1,"This line is ""kept"".\nSo is  this one.",x\r\n' >expected
augment --filter c4:min-num-sentences=2 in.csv >out.csv
compare_ expected out.csv

# Korean by its own thresholds and stop words
ko='서울은 한국의 수도이고 사람들이 많이 사는 도시이다. 강을 따라 공원에서 아이들이 놀고 있다. 봄에는 꽃이 피고 여름에는 비가 자주 내린다.'
printf '%s %s %s %s\n가나 다라 마바\n' "$ko" "$ko" "$ko" "$ko" >ko.txt
augment --filter gopher-quality --rejects rejects.jsonl ko.txt >out.txt
sed -n 1p ko.txt | cmp - out.txt
augment --filter gopher-quality:language=en --rejects rejects.jsonl ko.txt >out.txt
test ! -s out.txt
grep -q 'min-avg-word-length=3: 2' rejects.jsonl
printf 'stone5\nstone6\n' >stops
augment --filter gopher-quality --stop-words stops in.jsonl >out.jsonl
sed -n 1p in.jsonl | cmp - out.jsonl
: >stops
refuses_ 1 "stops: no stop words" augment --filter gopher-quality --stop-words stops in.jsonl
refuses_ 2 "'gofer': give gopher-quality" augment --filter gofer in.jsonl
refuses_ 2 "c4 has no threshold 'min-words'" augment --filter c4:min-words=3 in.jsonl

# ---- lengths
printf 'one two three\n가나다라\nab\n' >in.txt
same_ "가나다라" "$(augment --min-length 3 --max-length 2w in.txt)"
same_ "one two three" "$(augment --min-length 5 in.txt)"
refuses_ 2 "give a number of characters" augment --min-length short in.txt

# ---- rules: in the order of the file, in the order of the command line, the same for any number of threads
cat >rules <<'END'
# what the agency writes
s/^[A-Z]+ \(Reuters\) -- //
title: s/(\w+)'s/\U$1/
s/ㅋ{3,}/ㅋㅋ/g
drop-if /\bspam\b/i
y/“”/""/
END
printf "title\ttext\tn\nMary's lamb\tLONDON (Reuters) -- Shares' \xe2\x80\x9crise\xe2\x80\x9d\t1\nx\tSPAM here\t2\n뉴스\t하하ㅋㅋㅋㅋㅋ it's\t3\n" >in.tsv
printf "title\ttext\tn\nMARY lamb\tShares' \"rise\"\t1\n뉴스\t하하ㅋㅋ it's\t3\n" >expected
augment --text title,text --rules rules --rejects rejects.jsonl in.tsv 2>err >out.tsv
compare_ expected out.tsv
grep -q 'rules:5: drop-if /.*spam.*/i' rejects.jsonl
grep -q 'rules: rules:5: 1 records dropped' err
printf 's/a/b/\n' >ab
printf 's/b/c/g\n' >bc
same_ "cc" "$(echo ab | augment --input-format text --rules ab --rules bc)"
same_ "bc" "$(echo ab | augment --input-format text --rules bc --rules ab)"
grep -v title rules >many
awk 'BEGIN { for (i = 0; i < 20000; i++) print "abababab" (i % 3 ? "" : " spam") }' >lines.txt
for k in 1 2 3; do augment -q --rules ab --rules many --rules bc -j $k lines.txt | cksum; done | sort -u | wc -l >count
same_ 1 "$(cat count)"

# a rule that is wrong: file, line, column, and a caret under it
printf 's/a/b/\n  s/가(x/y/\n' >wrong
refuses_ 1 "wrong:2:8: missing closing parenthesis" augment --input-format text --rules wrong in.txt
printf '%s\n' 'augment: wrong:2:   s/가(x/y/' 'augment: wrong:2:         ^' >expected
head -n 2 err | compare_ expected /dev/stdin
refuses_ 1 "no-such-file" augment --rules no-such-file in.txt

# no rule hangs: the record goes, and is told of
printf 'drop-if /(a+)+[bc]$/\n' >slow
{ echo fine; printf '%0100d\n' 0 | tr 0 a; echo "fine, too"; } >in.txt
printf 'fine\nfine, too\n' >expected
timeout 20 "$abs_top_builddir/.libs/augment" --rules slow --rejects rejects.jsonl in.txt >out.txt
compare_ expected out.txt
grep -q '"line":2,.*slow:1: gives up' rejects.jsonl
