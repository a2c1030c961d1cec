#!/bin/bash
# augment --translate and --back-translate: filters of the user's, and all that they may do wrong.
. "$(dirname "$0")/init.sh"

upper="sed -u 's/the/THE/g; s/말/馬/g'"
cat >in.jsonl <<'END'
{"id": 1, "text": "the cat and the dog", "label": "a"}
{"text": "  two lines,\r\n\r\n\tthe second  \n", "label": "b", "more": [1, 2]}
{"text": "", "label": "c"}
{"text": "말이 달린다", "label": "d"}
{"text": "the cat and the dog", "label": "e"}
{"text": " \u2028 the\u2028the\u0001the", "label": "f"}
END
sed 's/\bthe/THE/g; s/말/馬/g; s/\(2028\|0001\|t\)the/\1THE/g' in.jsonl >want.jsonl
same_records() { # WANT GOT: the same, however a character is escaped
    for file in "$1" "$2"; do
        lms -q --plain --text text --label label "$file" >"$file.plain"
    done
    compare_ "$1.plain" "$2.plain"
}

# ---- each way to be given text, and to be run, gives the same
for form in paragraphs lines null; do
    for runs in auto kept batch; do
        command=$upper
        test $form = null && command="sed -uz 's/the/THE/g; s/말/馬/g'"
        augment -q --translate "$command" --command-input $form --command-runs $runs in.jsonl >out.jsonl
        same_records want.jsonl out.jsonl
    done
done
# one that sees the end of its input first, and is told of
augment --translate "sed 's/the/THE/g; s/말/馬/g'" in.jsonl 2>err >out.jsonl
same_records want.jsonl out.jsonl
grep -q "answers at the end of its input" err
# csv keeps its columns, quotes and line ends; a text of several lines stays one
printf 'x,text,y\r\n1,"the ""cat""\nthe end",2\r\n3,nothing,4\r\n' >in.csv
printf 'x,text,y\r\n1,"THE ""cat""\nTHE end",2\r\n3,nothing,4\r\n' >want.csv
augment -q --translate "$upper" --text text in.csv >out.csv
compare_ want.csv out.csv

# ---- there and back again: the record, and what has become of its copies
printf '%s\n' 'one two' 'three' >in.txt
there="while read -r line; do echo \"\${line:+\$line there}\"; done" back="while read -r line; do echo \"\${line:+\$line back}\"; done"
augment -q --back-translate "$there" "$back" in.txt >out.txt
same_ 'one two there back|three there back|' "$(tr '\n' '|' <out.txt)"
augment -q --back-translate "$there" "$back" -n 1 in.txt >out.txt
same_ 'one two|one two there back|three|three there back|' "$(tr '\n' '|' <out.txt)"
augment -q --back-translate tac tac -n 1 --provenance --exclude-original --command-input lines in.jsonl >out.jsonl
grep -q '"aug": *\[{"op":"back-translate","commands":\["tac","tac"\],"seed":42}\]' out.jsonl || fail_ "$(cat out.jsonl)"
refuses_ 2 '--back-translate COMMAND COMMAND' augment --back-translate tac --sample 1 in.txt
refuses_ 2 "'  ' is no command" augment --translate '  ' in.txt

# ---- many records, threads, and parts: the same bytes; a line that is there often is given once
awk 'BEGIN { for (i = 0; i < 30000; i++) print "line " i % 1000 " of the text, long enough to fill some blocks of the input" }' >many.txt
sed 's/the/THE/g' many.txt >want.txt
for threads in 1 3; do
    augment -q -j $threads --translate "$upper" many.txt >out.txt
    compare_ want.txt out.txt
done
augment --translate "tee -a given | $upper" -j 1 many.txt 2>err >out.txt
compare_ want.txt out.txt
same_ 1000 "$(grep -v '^$' given | sort -u | wc -l)"
test "$(grep -cv '^$' given)" -lt 10000 || fail_ "lines are given again and again"
grep -q "answered [0-9]* lines; it was started" err

# ---- what cannot be answered is told with its record, and goes to --rejects
fails='while read -r line; do case $line in *bad*) exit 3;; esac; echo "${line:+$line!}"; done'
awk 'BEGIN { for (i = 1; i <= 200; i++) print (i % 80 ? "line " : "bad line ") i }' >bad.txt
refuses_ 1 "record 80: translate: " augment --translate "$fails" bad.txt
grep -q 'exit status 3: --rejects FILE' err
augment -q --translate "$fails" --rejects rejects bad.txt >out.txt 2>err
grep -v bad bad.txt | sed 's/$/!/' | compare_ - out.txt
same_ '80 160 ' "$(sed -n 's/.*"line": *\([0-9]*\),.*translate: .*exit status 3".*/\1/p' rejects | tr '\n' ' ')"
printf '%s\n' good bad good >three.txt
try() { # SAYS COMMAND [OPTION...]: how line 2 of three is not answered
    local says=$1 command=$2
    shift 2
    augment -q --translate "$command" --rejects rejects "$@" three.txt >out.txt 2>err
    same_ 'good good' "$(xargs <out.txt)"
    grep -q "\"line\": *2,.*$says" rejects || fail_ "$command: $(cat rejects)"
}
try 'no answer for 0.3 seconds' 'while read -r line; do case $line in bad) sleep 60;; esac; echo "$line"; done' --command-timeout 0.3s
try 'signal 9' 'while read -r line; do case $line in bad) kill -9 $$;; esac; echo "$line"; done'
try 'an empty answer' "sed 's/bad//'"
try 'more lines than it was given' "sed '/bad/p'"
try 'fewer lines than it was given' "sed '/bad/d'" --command-input lines
try 'an answer that is not UTF-8' "sed 's/bad/b\\xff/'"
try 'an answer without end' "awk '/bad/ { while (1) printf \"bad\" } { print; fflush() }'"
# one that is not there, that answers nothing, or that runs astray ends the run
refuses_ 1 "'nosuchtranslator': it cannot be run (exit status 127)" augment --translate nosuchtranslator --rejects rejects bad.txt
refuses_ 1 "'true': fewer lines than it was given" augment --translate true --rejects rejects bad.txt
refuses_ 1 "no answer for 0.2 seconds, for 3 lines" augment --translate 'sleep 60' --rejects rejects --command-timeout 0.2s bad.txt
refuses_ 1 'it has written more lines than it was given' augment -q --command-input lines --command-runs kept \
    --translate 'while read -r a; do echo "$a"; done; sleep 0.1; echo more' three.txt >out.txt

# ---- nothing is left behind: a signal ends it, and the command with it
mkfifo ready
augment -q --translate 'echo $$ >ready; sleep 1000' -o never.txt three.txt &
program=$!
read -r child <ready
kill -TERM $program
returns_ 143 wait $program
gone() { ! kill -0 "$child" 2>/dev/null || grep -q '^State:.Z' "/proc/$child/status" 2>/dev/null; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
    gone && break
    sleep 0.1
done
gone || fail_ "the command still runs"
test ! -e never.txt
