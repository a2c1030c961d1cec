#!/bin/bash
# tok: questions about texts (SQuAD's documents, records as `datasets` has them), where answers stand, and IOB1 tags.
. "$(dirname "$0")/init.sh"

mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' who was it ada '?' . one two three four five six '##six' 수도 '##는' 서울 '##이' 다 '##다' 어디 >bert/vocab.txt

# ---- a document: a row for each question, whole texts; what answering needs goes along
cat >squad.json <<'EOF'
{"version": "1.1", "data": [{"title": "T", "paragraphs": [
  {"context": "one two three four it was Ada. one two three four five six",
   "qas": [{"id": "a", "question": "Who was it?", "answers": [{"text":"Ada","answer_start":26}]},
           {"id": "b", "question": "Who?", "is_impossible": true, "answers": []}]}]}]}
EOF
tok -m bert squad.json >squad.lms 2>err
grep -q 'questions about texts' err || fail_ "the guess is not said"
lms --check squad.lms >/dev/null
lms --view squad.lms >view
same_ '[12,12] [0,0]' "$(awk '$1 == "answer" { print $2 }' view | paste -sd' ')"
grep -q '^  pair one two three' view || fail_ "the text is not kept"
grep -q '^  offsets .*\[26,29\]' view || fail_ "no spans"
grep -q '^  field answers \[{"text":"Ada","answer_start":26}\]' view || fail_ "the answers' text is lost"

# ---- a text that does not fit becomes rows that overlap; an answer that a row has not whole is none
tok -q -m bert --max-length 14 --stride 2 --json squad.json >got
sed -n 's/.*"answer":\(\[[0-9,]*\]\).*/\1/p' got | paste -sd' ' >spans
same_ '[12,12] [7,7] [0,0] [0,0] [0,0]' "$(cat spans)"
tok -q -m bert --max-length 14 --json squad.json | grep -c '"row":0' >got
same_ 4 "$(cat got)"                       # the stride of its own
tok -q -m bert --max-length 12 --json squad.json >/dev/null # which is made to fit
refuses_ 1 'stride 9: only' tok -q -m bert --max-length 12 --stride 9 --ids squad.json
same_ 2 "$(tok -q -m bert --max-length 14 --truncation longest_first --stride 0 --ids squad.json | grep -c '5 6 7 9 3')"

# ---- records a line, several tokens, part of a word; places count characters; no answer known is no column
cp -r bert cased
echo '{"do_lower_case": false}' >cased/tokenizer_config.json
cat >lines.jsonl <<'EOF'
{"question":"Who?","context":"it was six fivesix ada","answers":{"text":["fivesix ada"],"answer_start":[11]}}
{"question":"어디?","context":"수도는 서울이다","answers":{"text":["서울"],"answer_start":[4]}}
{"question":"Who?","context":"it was six","answers":{"text":[],"answer_start":[]}}
EOF
tok -q -m cased --json lines.jsonl | sed -n 's/.*"answer":\(\[[0-9,]*\]\).*/\1/p' | paste -sd' ' >got
same_ '[7,9] [6,6] [0,0]' "$(cat got)"
tok -q -m cased lines.jsonl | lms --view | sed -n '/row 1/,/row 2/p' | grep -q 'offsets .*\[10,16\]' || fail_ "spans are in bytes"
echo '{"question":"Who?","context":"it was six"}' | tok -q -m bert | lms --view >view
grep -q '^  offsets' view || fail_ "to be answered, a question needs spans"
! grep -q '^  answer' view || fail_ "an answer out of nothing"
printf 'q,c,a\nWho?,it was Ada,Ada\n' >t.csv
tok -q -m bert --text q --pair c --answer a --json t.csv | grep -q '"answer":\[6,6\]' || fail_ "the answer's text alone"

# ---- what does not fit together is said, with its place, or left out
cat >bad.jsonl <<'EOF'
{"question":"Who?","context":"it was Ada","answers":{"text":["Ada"],"answer_start":[7]}}
{"question":"Who?","context":"it was Ada","answers":{"text":["Ada"],"answer_start":[6]}}
{"question":"Who?","context":"it was Ada","answers":{"text":["Ada"],"answer_start":[1e9]}}
{"question":"Who?","context":"it was Ada","answers":{"text":["Ada"],"answer_start":[10]}}
{"question":"Who?","context":"it was Ada","answers":{"text":["a"],"answer_start":[9]}}
EOF
refuses_ 1 'bad.jsonl:2: the answer `Ada` does not stand at character 6' tok -q -m bert --ids bad.jsonl >/dev/null
tok -q -m bert --rejects r --json bad.jsonl 2>/dev/null | grep -c answer >got
same_ 2 "$(cat got)"
same_ '2 3 4' "$(sed -n 's/.*"line":\([0-9]*\).*/\1/p' r | paste -sd' ')"
refuses_ 1 'no text that it stands in' tok -q -m bert --text q --answer a --ids t.csv

# ---- IOB1: an entity begins with I-, but behind one of its own type
printf '%s\n' 'one I-PER' 'two I-PER' 'three B-PER' 'four I-LOC' 'five O' 'six I-LOC' '' 'one I-LOC' >iob1.conll
tok -q -m bert --iob1 --labels O,B-PER,I-PER,B-LOC,I-LOC iob1.conll | lms --view >view
same_ '-100 1 2 1 3 0 3 -100 / -100 3 -100 /' "$(awk '$1 == "tags" { $1 = ""; print substr($0, 2) " /" }' view | paste -sd' ')"
tok -q -m bert --iob1 iob1.conll | grep -aq '"tags":\["B-LOC","B-PER","I-PER","O"\]' || fail_ "classes of IOB2"
printf '%s\n' 'one I-PERSON' 'two I-PER' 'six I-PER' >prefix.conll # a name that begins like another
tok -q -m bert --iob1 prefix.conll | grep -aq '"tags":\["B-PER","B-PERSON","I-PER"\]' || fail_ "I-PER behind I-PERSON begins an entity"
