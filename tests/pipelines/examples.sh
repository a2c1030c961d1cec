#!/bin/bash
# The Makefiles in examples/, each from its files to the page, on a few rows and for a few steps.
. "$(dirname "$0")/init.sh"
needs_data_ data/agnews data/mnli data/nsmc data/conll2003 data/stsb data/klue-nli data/corpus goldens/e2e
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
run mnli 1 "random frozen gradual full" EPOCHS=3
run ner 1 "random pretrained"
run stsb 1 "random pretrained"
run nsmc 1 "random pretrained"
run klue-nli 1 "random pretrained"
grep -q '긍정' nsmc/report.html || fail_ "the Korean page has no Korean"
echo '정말 재미있는 영화' | example nsmc try SEEDS=1 >tried 2>log || fail_ "$(cat log)"
grep -qE '긍정|부정' tried || fail_ "$(cat tried)"

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
