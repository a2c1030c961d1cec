#!/bin/bash
# tok: texts that are split into words with a tag each (CoNLL, JSON lists), and several labels a row.
. "$(dirname "$0")/init.sh"

mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' eu reject '##s' german call london is big '.' ',' -  >bert/vocab.txt

# ---- CoNLL-2003: four columns, documents, several blank lines, CRLF
printf '%s\n' '-DOCSTART- -X- -X- O' '' 'EU NNP B-NP B-ORG' 'rejects VBZ B-VP O' 'German JJ B-NP B-MISC' 'call NN I-NP O' '. . O O' \
    '' '' 'Londons NNP B-NP B-LOC' '- : O O' '' '-DOCSTART- -X- -X- O' '' 'London NNP B-NP I-LOC' >ner.txt
tok -m bert --word-ids --documents --offsets ner.txt >ner.lms 2>err
grep -q 'read as CoNLL blocks' err || fail_ "the guess is not said"
grep -aq '"tags":\["B-LOC","B-MISC","B-ORG","I-LOC","O"\]' ner.lms || fail_ "the classes are not in the preamble, in order"
lms --check ner.lms >/dev/null
lms --view ner.lms >view
grep -A12 'row 0' view | grep -q '  tags -100 2 4 -100 1 4 4 -100$' || { cat view; fail_ "tags of row 0"; }
grep -A12 'row 1' view | grep -q '  tags -100 0 -100 4 -100$' || { cat view; fail_ "tags of row 1"; }
grep -A12 'row 1' view | grep -q '  word_ids -1 0 0 1 -1$' || fail_ "word ids are those of the columns"
grep -A12 'row 0' view | grep -q '  offsets \[0,0\] \[0,2\] \[3,9\] \[9,10\] \[11,17\] \[18,22\] \[23,24\] \[0,0\]$' ||
    { cat view; fail_ "spans are not in the joined text"; }
grep -q 'field "\?2"\? \["EU"' view && fail_ "the words stand among the fields"
grep -A12 'row 0' view | grep -q '  field 2 \["NNP","VBZ","JJ","NN","."\]' || { cat view; fail_ "the other columns are lost"; }
same_ '0 0 1' "$(grep '^  doc' view | awk '{ print $2 }' | paste -sd' ')"
tok -m bert --input-format conll --json --keep-text <ner.txt 2>/dev/null | head -n 1 >got
echo '{"row":0,"ids":[2,5,6,7,8,9,13,3],"tokens":["[CLS]","eu","reject","##s","german","call",".","[SEP]"],"tags":["B-ORG","O","B-MISC","O","O"],"text":"EU rejects German call ."}' >want
compare_ want got

# all tokens of a word, by the classes' order of one's own, and in a stream that has not to wait for its end
tok -q -m bert --label-words all --labels O,B-LOC,I-LOC,B-ORG,B-MISC ner.txt | lms --view >view
grep -q '  tags -100 3 0 0 4 0 0 -100$' view || { cat view; fail_ "--label-words all"; }
grep -q '  tags -100 1 2 0 -100$' view || { cat view; fail_ "tokens inside of B-LOC are I-LOC"; }
grep -q '"tags":\["O","B-LOC","I-LOC","B-ORG","B-MISC"\]' view || fail_ "--labels is not the order"
tok -q -m bert --label-words all ner.txt | lms --view | grep -q '  tags -100 0 3 4 -100$' || fail_ "all, when classes are found out"
refuses_ 1 'ner.txt:10: the label `B-LOC` is not among --labels' tok -q -m bert --labels O,B-ORG,B-MISC ner.txt >/dev/null
# another column
tok -q -m bert --input-format conll --label 3 ner.txt | grep -aq '"tags":\["B-NP","B-VP","I-NP","O"\]' || fail_ "--label by number"
tok -q -m bert --label-words first --max-length 6 --stride 2 ner.txt | lms --view >view
same_ '0 0 1 2' "$(grep '^  row' view | awk '{ print $2 }' | paste -sd' ')"
# a word that is parted by two rows has its tag in the first of them
printf 'is O\nLondons B-LOC\n' >parted.conll
tok -q -m bert --max-length 4 --stride 0 parted.conll | lms --view | grep '^  tags' >got
printf '  tags -100 1 0 -100\n  tags -100 -100 -100\n' >want
compare_ want got

# tabs, a table without tags, comments, CoNLL-U
printf 'EU\tORG\nGerman\tMISC\n' | tok -q -m bert --input-format conll --json | grep -q '"tags":\["ORG","MISC"\]' || fail_ "tabs"
printf 'EU\nGerman\n\nLondon\n' | tok -q -m bert --input-format conll --ids >got
printf '2 5 8 3\n2 10 3\n' >want
compare_ want got
printf '# sent_id = 1\n1-2\tEUrejects\t_\t_\t_\t_\t_\t_\t_\t_\n1\tEU\teu\tPROPN\tNNP\t_\t2\tnsubj\t_\t_\n2\trejects\treject\tVERB\tVBZ\t_\t0\troot\t_\t_\n2.1\tx\tx\tX\tX\t_\t_\t_\t_\t_\n' >u.conllu
tok -q -m bert --json --keep-text u.conllu | grep -q '"tags":\["PROPN","VERB"\],"text":"EU rejects"' || fail_ "CoNLL-U"
tok -q -m bert --label DEPREL --json u.conllu | grep -q '"tags":\["nsubj","root"\]' || fail_ "CoNLL-U by name"

# file and line of what is wrong, and the rest goes on
printf 'EU B\nis O\nbig\ncall O\n\nLondon B\n' >bad.conll
refuses_ 1 'bad.conll:3: 1 columns where line 1 has 2' tok -q -m bert --ids bad.conll
tok -q -m bert --rejects r --ids bad.conll >got 2>err
same_ '2 10 3' "$(cat got)"
grep -q '"line":3,' r || fail_ "no line in the rejects: $(cat r)"
printf 'EU B\n\nL\xffndon B\n' >bad.conll
refuses_ 1 'bad.conll:3: invalid UTF-8' tok -q -m bert --strict --ids bad.conll

# the same as JSON: lists of words and tags
printf '%s\n' '{"tokens":["EU","rejects"],"ner_tags":["B-ORG","O"]}' '{"tokens":[],"ner_tags":[]}' '{"tokens":["London"],"ner_tags":["B-LOC"]}' >ner.jsonl
tok -q -m bert ner.jsonl | lms --view >view
grep -q '  tags -100 1 2 -100 -100$' view || { cat view; fail_ "JSON lists"; }
printf '{"tokens":["EU","rejects"],"ner_tags":[3,-100]}\n' >ids.jsonl
tok -q -m bert --label-type id ids.jsonl | lms --view | grep -q '  tags -100 3 -100 -100 -100$' || fail_ "tags as numbers"
printf '{"tokens":["EU","rejects"],"ner_tags":["O"]}\n' >short.jsonl
refuses_ 1 'short.jsonl:1: 1 tags for 2 words' tok -q -m bert short.jsonl >/dev/null
# and through a stream of text, framed and not
lms -q --framed ner.txt | tok -q -m bert | lms --view | grep '^  tags' >got
tok -q -m bert ner.txt | lms --view | grep '^  tags' >want
compare_ want got
lms -q --plain ner.txt >plain.jsonl
tok -q -m bert plain.jsonl | lms --view | grep '^  tags' >got
compare_ want got

# ---- several labels: JSON lists, and a csv with a separator
printf '%s\n' '{"text":"eu","labels":["sport","trade"]}' '{"text":"is","labels":[]}' '{"text":"big","labels":["art"]}' >multi.jsonl
tok -q -m bert multi.jsonl >multi.lms
lms --check multi.lms >/dev/null
lms --view multi.lms >view
grep -q '"labels":\["art","sport","trade"\]' view || { cat view; fail_ "no names of the labels"; }
same_ '0 1 1;0 0 0;1 0 0' "$(grep '^  multi_label' view | sed -E 's/[^01]+/ /g; s/^ //; s/ $//' | paste -sd';')"
printf 'text,label\neu,"trade; sport"\nis,\nbig,art\n' >multi.csv
tok -q -m bert --label-separator ';' multi.csv | lms --view >view
same_ '0 1 1;0 0 0;1 0 0' "$(grep '^  multi_label' view | sed -E 's/[^01]+/ /g; s/^ //; s/ $//' | paste -sd';')"
tok -q -m bert --labels trade,sport,art multi.jsonl | lms --view >view
same_ '1 1 0;0 0 0;0 0 1' "$(grep '^  multi_label' view | sed -E 's/[^01]+/ /g; s/^ //; s/ $//' | paste -sd';')"
printf '%s\n' '{"text":"eu","label":[2,0]}' '{"text":"is","label":[4]}' | tok -q -m bert --label-type id | lms --view >view
same_ '1 0 1 0 0;0 0 0 0 1' "$(grep '^  multi_label' view | sed -E 's/[^01]+/ /g; s/^ //; s/ $//' | paste -sd';')"
refuses_ 1 'cannot be numbers to be met' tok -q -m bert --label-type float multi.jsonl >/dev/null
refuses_ 1 'element 1 of the list is null' tok -q -m bert --label labels <<<'{"text":"a","labels":[null]}' >/dev/null
# a list that comes late has no place in a preamble that has gone
printf '%s\n' '{"text":"eu","label":"x"}' '{"text":"is","label":["y"]}' | refuses_ 1 'name all classes by --labels' tok -q -m bert >cut.lms
returns_ 3 lms --check cut.lms 2>/dev/null
# what fails while rows wait leaves an abort, and nothing else
{ cat multi.jsonl; echo '{'; } >cut.jsonl
tok -q -m bert cut.jsonl >cut.lms 2>err && fail_ "a damaged line passes"
grep -aq '"abort":' cut.lms || fail_ "no abort"

if test -n "$data"; then
    needs_data_ data/conll2003/eng.testa
    tok -q -m bert --no-fields "$data/data/conll2003/eng.testa" >testa.lms
    same_ 'examples	3250' "$(lms --count testa.lms | grep examples)"
    grep -aq '"tags":\["I-LOC","I-MISC","I-ORG","I-PER","O"\]\|"tags":\["B-LOC","B-MISC","B-ORG","B-PER","I-LOC","I-MISC","I-ORG","I-PER","O"\]' testa.lms || {
        grep -ao '"tags":\[[^]]*' testa.lms | head -n 1
        fail_ "the classes of CoNLL-2003"
    }
    # every word has its tag on the first of its tokens
    words=$(awk 'NF && $1 != "-DOCSTART-"' "$data/data/conll2003/eng.testa" | wc -l)
    same_ "$words" "$(lms --view testa.lms | awk '$1 == "tags" { for (i = 2; i <= NF; i++) n += $i >= 0 } END { print n }')"
fi
