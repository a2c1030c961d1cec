#!/bin/bash
# The Makefiles in examples/, each from its files to the page, on a few rows and for a few steps.
. "$(dirname "$0")/init.sh"
needs_data_ data/pref data/agnews data/mnli data/nsmc data/conll2003 data/stsb data/klue-nli data/corpus goldens/e2e models/stories260K
needs_program_ make

some() { # LINES FILE...: the beginnings of reference files
    local lines=$1 file
    shift
    for file; do
        mkdir -p "data/$(dirname "$file")"
        head -n "$lines" "$data/data/$file" >"data/$file"
    done
}
some 300 agnews/train_subset.csv corpus/war-and-peace.txt nsmc/ratings_train.rebuilt.txt
some 60 agnews/test.csv mnli/{train_10k_a,dev_matched}.jsonl nsmc/ratings_test.rebuilt.txt stsb/sts-{train,dev,test}.csv klue-nli/klue_nli_train.jsonl
some 20 corpus/c4_demo.jsonl corpus/wikitext103_test.tokens
some 1 corpus/wiki_demo.txt # its lines are long
some 200 conll2003/eng.{train,testa,testb}
awk 'NR > 1 && /^    },?$/ && ++n == 20 { print "    }"; print "]"; exit } { print }' "$data/data/klue-nli/klue-nli-v1.1_dev.json" \
    >data/klue-nli/klue-nli-v1.1_dev.json

# ---- the models that they begin with: small ones of the same Makefile
examples=$abs_top_srcdir/examples
example() { # NAME [ARGUMENT...]
    local name=$1
    shift
    make --no-print-directory -C "$examples/$name" DATA="$work/data" BASES="$work/bases" O="$work/$name" THREADS=2 "$@"
}
example base all STEPS=2 >log 2>&1 || fail_ "$(tail -n 5 log)"
for base in english english-cased korean; do
    test -s bases/$base/model.safetensors || fail_ "no bases/$base"
done
echo '이 영화 정말 재미있다' | tok -q -m bases/korean --pieces >pieces
! grep -q 'UNK' pieces || fail_ "a Korean vocabulary without Korean: $(cat pieces)"
grep -qx 'The' bases/english-cased/vocab.txt || fail_ "a cased vocabulary without capitals"
! grep -q '[A-Z][a-z]' bases/english/vocab.txt || fail_ "capitals in a vocabulary without case"

# ---- each task: the page, and a table with a line for each way and numbers in all columns
run() { # NAME SEEDS WAYS [ARGUMENT...]
    local name=$1 seeds=$2 ways=$3 way
    shift 3
    example "$name" SEEDS="$seeds" ROWS=24 EPOCHS=1 "$@" >table 2>log || fail_ "$name: $(tail -n 5 log)"
    grep -qi '<!doctype html>' "$name/report.html" || fail_ "$name: no page"
    for way in $ways; do
        awk -v way="$way" -v seeds="$(wc -w <<<"$seeds")" '$1 == way && $NF == seeds && $2 ~ /^-?[0-9.]+$/ && !/ - / { found = 1 }
            END { exit !found }' table || fail_ "$name: no line for $way, or not of all measures: $(cat table)"
    done
    # all is there: nothing is done again
    example "$name" -q SEEDS="$seeds" ROWS=24 EPOCHS=1 "$work/$name/report.html" || fail_ "$name: it is not done"
}
run agnews "1 2" "random pretrained"
grep -q '^pretrained.* +- ' table || fail_ "no spread: $(cat table)"
example quant MODEL="$work/agnews/pretrained-1" TOKENS="$work/agnews/test.lms" TYPES="q8_0 nf4" >table 2>log || fail_ "quant: $(tail -n 5 log)"
same_ "type float q8_0 nf4" "$(awk 'NF == 3 { print $1 }' table | xargs)"
example gen MODEL="$data/models/stories260K" TOKENS=12 ways="likeliest nucleus" >table 2>log || fail_ "gen: $(tail -n 5 log)"
same_ "way likeliest nucleus" "$(awk 'NF == 4 { print $1 }' table | xargs)"
run mnli 1 "random frozen gradual full" EPOCHS=3
run ner 1 "random pretrained"
run stsb 1 "random pretrained"
run nsmc 1 "random pretrained"
run klue-nli 1 "random pretrained"
grep -q '긍정' nsmc/report.html || fail_ "the Korean page has no Korean"
echo '정말 재미있는 영화' | example nsmc try SEEDS=1 >tried 2>log || fail_ "$(cat log)"
grep -qE '긍정|부정' tried || fail_ "$(cat tried)"
run lowresource 1 "plain eda contextual" STEPS=2 COPIES=2
same_ 72 "$(wc -l <lowresource/eda-1.jsonl)"
example lowresource TASK=nsmc SEEDS=1 ROWS=24 STEPS=2 COPIES=2 O="$work/few-ko" >table 2>log || fail_ "$(tail -n 5 log)"
same_ 'plain eda contextual' "$(sed -n 's/^\([a-z]*\) .* 1$/\1/p' table | xargs)"
run distill 1 "teacher bow-alone bow lstm-alone lstm half-alone half" STUDENT_EPOCHS=1

# ---- learning from rewards and from pairs
mkdir data/pref
gzip -dc "$data/data/pref/hh_harmless-base_test.jsonl.gz" | head -n 40 | gzip >data/pref/hh_harmless-base_test.jsonl.gz || :
compared() { # WAYS GOAL: its table has a line for each
    example rlhf $2 SEEDS=1 NUMBERS=8 SFT_STEPS=60 STEPS=4 READ=1 EPOCHS=1 TALK=64 >table 2>log || fail_ "rlhf: $(tail -n 5 log)"
    same_ "$1" "$(sed -n 's/^\([a-z]*\)  *[01]\.[0-9]* .* 1$/\1/p' table | xargs)"
}
compared 'sft grpo ppo' all
compared 'sft drawn own best' best-of-n
compared 'writer dpo judge' pairs
example rlhf -q SEEDS=1 NUMBERS=8 SFT_STEPS=60 STEPS=4 READ=1 EPOCHS=1 TALK=64 "$work"/rlhf/{ppo,best,dpo}-1.score || fail_ "rlhf: it is not done"
! join -t '' <(sort rlhf/train.jsonl) <(sort rlhf/test.jsonl) | grep . || fail_ "a sum of the test is learned from"

# ---- pretraining: where its texts come from
pretrain=$examples/pretrain
cat >page.html <<'END'
<html><head><title>no text</title><script>if (1 < 2) no();</script></head><body>
<h1>Fish &amp; chips</h1><p>A <b>big</b>
  one&nbsp;&lt;here&gt;.</p><br/><p> </p><aside><p>no text</p></aside></body></html>
END
echo '<page xmlns="x"><info><desc>no text</desc></info><title>Next</title><p>word</p></page>' >page.page
same_ 'Fish & chips|A big one <here>.||Next|word||' "$(awk -f "$pretrain/pages.awk" page.html page.page | tr '\n' '|')"
printf '%s\n' '{"text":"a \"b\"\n\\c","label":"x"}' '{"label":"text","text":"d","pair":"e"}' >two.jsonl
same_ 'a "b"|\c||d|e||' "$(awk -f "$pretrain/texts.awk" two.jsonl | tr '\n' '|')"
printf '%s\n' 'Not this one!' 'nor: THAT' >tests.txt
printf '%s\n' 'Mr. J. Smith came at 3. He said "No." Then he left, e.g. by bus.' '' 'First. Not this one! Last.' '' 'Nor that.' '' \
    'kept for the evaluation' '' 'He said "No."' 'What? Yes.' >documents.txt
awk -f "$pretrain/sentences.awk" -v kept=held -v every=2 -v counts=counts tests.txt documents.txt >sentences
same_ 'Mr. J. Smith came at 3. He said "No."|Then he left, e.g. by bus.||He said "No."|What?|Yes.||' "$(tr '\n' '|' <sentences)"
same_ 'kept for the evaluation||' "$(tr '\n' '|' <held)"
printf '%s\n' 'test rows looked for|2' 'left out: of a test set|2' '  matched byte for byte|1' '  matched by letters and digits|1' |
    tr '|' '\t' | while read -r line; do grep -q "$line\$" counts || fail_ "no $line: $(cat counts)"; done
awk -f "$pretrain/sentences.awk" -v kept=held -v counts=counts tests.txt <(printf '%s\n' 'Once.' 'Twice.' '' 'Twice.' 'Thrice.') >sentences
same_ 'Once.|Twice.||Thrice.||' "$(tr '\n' '|' <sentences)"
printf 'Package: p\nDescription-md5: 1\nDescription-ko: 짧게\n 길게\n .\n 끝.\n\n' >long
printf '%s\n' 'Package: p' 'Description: short' 'Description-md5: 1' 'Section: games' '' 'Package: q' 'Description: in English' >short
same_ '{"text":"짧게. 길게 끝.","label":"games","package":"p","source":"p"}' \
    "$(awk -v language=ko -f "$examples/debian-packages.awk" long short)"

# ---- pretraining: stopped and resumed, its curves, and what the weights are worth
sed 's/^"[0-9]*","//; s/"$//' data/agnews/train_subset.csv | sed G >english.txt
head -n 1 data/agnews/test.csv | sed 's/^"[0-9]*","//; s/"$//; s/","/ /' >>english.txt
awk -F '\t' 'NR > 1 { print $2; print "" }' data/nsmc/ratings_train.rebuilt.txt >korean.txt
corpora=(O="$work/pretrain" ENGLISH="$work/english.txt" KOREAN="$work/korean.txt" SIZES=16 SEEDS=1 TESTS=20)
example pretrain "${corpora[@]}" STEPS=3 EVERY=2 BATCH=4 HALF=0.001s HELD_OUT=10 >table 2>log || fail_ "$(tail -n 5 log)"
same_ 4 "$(grep -c -e '--resume goes on from it' log)"
grep -q '^left out: of a test set	[1-9]' pretrain/english.counts || fail_ "a row of the test set: $(cat pretrain/english.counts)"
! grep -q 'stricken parent firm' pretrain/english.txt || fail_ "a row of the test set is in the corpus"
same_ 8 "$(grep -cE '^(agnews|nsmc) +(bert|gpt2) +(random|pretrained) +[01]\.[0-9]+$' table)"
for name in english-bert english-gpt2 korean-bert korean-gpt2; do
    test -s "pretrain/$name/model.safetensors" || fail_ "no $name"
    test ! -e "pretrain/$name.ck" || fail_ "the checkpoint of $name is still there"
    for which in training evaluation; do
        awk -F '\t' -v name="$name" -v which="$which" '$1 == name && $2 == which && $3 > 0 && $4 > 0 { n++ } END { exit n < 2 }' \
            pretrain/curves.tsv || fail_ "no curve of $name, $which: $(cat pretrain/curves.tsv)"
    done
done
if command -v gnuplot >/dev/null; then
    grep -q '<svg' pretrain/curves.svg || fail_ "gnuplot has drawn nothing"
else
    grep -q 'gnuplot-nox' log || fail_ "nothing says that there is no gnuplot"
fi
example pretrain -q "${corpora[@]}" "$work/pretrain/table.txt" || fail_ "pretrain: it is not done"
refuses_ 2 'none.txt' example pretrain O="$work/none" ENGLISH="$work/none.txt" english-bert

# ---- MNLI in its original form, where a label may be `-`
mkdir -p original/mnli
for part in train:train_10k_a dev_matched:dev_matched; do
    sed 's/"premise"/"sentence1"/; s/"hypothesis"/"sentence2"/; s/"label"/"gold_label"/; 2s/\("gold_label": \)"[a-z]*"/\1"-"/' \
        data/mnli/${part#*:}.jsonl >original/mnli/multinli_1.0_${part%:*}.jsonl
done
example mnli DATA="$work/original" O="$work/original-out" "$work"/original-out/{train,test}.lms >log 2>&1 || fail_ "$(cat log)"
for part in train test; do
    same_ 59 "$(lms --count original-out/$part.lms | awk '$1 == "examples" { print $2 }')"
done

# ---- another directory to start from, of other families too; one that is none; data that are not there
mkdir other
cp bases/english/* other/
example stsb BASE="$work/other/" O="$work/other-out" SEEDS=1 ROWS=8 EPOCHS=1 >table 2>log || fail_ "$(tail -n 5 log)"
grep -q '^pretrained' table
for pair in ner:distilbert-ner mnli:roberta-nli; do
    base=$data/goldens/e2e/${pair#*:}
    example "${pair%:*}" BASE="$base" O="$work/${pair#*:}" LENGTH=62 SEEDS=1 ROWS=8 EPOCHS=1 >table 2>log || fail_ "$(tail -n 5 log)"
    grep -qE '^(pretrained|full) ' table || fail_ "$(cat table)"
done
refuses_ 2 'BASE=nowhere/' example stsb BASE=nowhere/ O="$work/none"
for name in agnews mnli ner stsb nsmc klue-nli; do
    refuses_ 2 'http' example $name DATA="$work/nowhere" O="$work/none"
done
