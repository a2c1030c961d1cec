#!/bin/bash
# What score prints, its gates, and what it refuses.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/bert-cls goldens/models/bert-cls3

golden_stream=$abs_top_builddir/tests/unit/golden_stream
cls=$data/goldens/e2e/bert-cls
cls3=$data/goldens/models/bert-cls3
"$golden_stream" texts "$cls" >all.jsonl
head -n 10 all.jsonl >right.jsonl
# of ten rows three are given another label than the model's
sed '1,3s/"label":"[a-z]*"/"label":"positive"/' right.jsonl >texts.jsonl
tok -m "$cls" texts.jsonl >texts.lms

score -m "$cls" texts.lms >report
grep -qx "accuracy	0.7" report
same_ "rows tokens labelled loss accuracy macro_f1 macro_precision macro_recall micro_f1 weighted_f1 weighted_precision weighted_recall mcc roc_auc average_precision brier ece signature" \
    "$(cut -f 1 report | paste -s -d ' ')"
score -m "$cls" --per-class texts.lms >classes
grep -qx "support\[positive\]	3" classes
grep -qx "recall\[positive\]	0" classes
score -m "$cls" --json --per-class texts.lms >json
grep -q '"accuracy": 0.7[0, }]' json
grep -q '"confusion_matrix": \[\[' json
grep -q '"labels": \["negative", "neutral", "positive"\]' json
test "$(wc -l <json)" = 1

# the matrix for people: below the lines, aligned, with shares of the rows; the numbers are those of the JSON
score -m "$cls" --confusion texts.lms >confusion
same_ "$(cat report)" "$(sed '/^$/,$d' confusion)"
sed '1,/^confusion matrix/d; /^$/d' confusion >table
same_ "negative neutral positive recall" "$(head -n 1 table | xargs)"
same_ 1 "$(sed 's/%$/ /' table | awk '{ print length }' | sort -u | wc -l)"
tail -n +2 table | awk '{ print $1 ": " $2 " " $3 " " $4 }' >cells
grep -o '"confusion_matrix": \[\[.*\]\]' json | grep -o '\[[0-9, ]*\]' | tr -d '[],' >counts
same_ "$(cat counts)" "$(sed 's/.*: //' cells)"
grep -q '^positive .* 0\.0%$' table
score -m "$cls" --json --confusion texts.lms >json2
grep -q '"confusion_matrix": \[\[' json2
! grep -q 'precision\[' json2 || fail_ "--confusion is not --per-class"

# several files, a concatenation, standard input: the same rows
score -m "$cls" texts.lms texts.lms >two
cat texts.lms texts.lms | score -m "$cls" >cat
cat texts.lms texts.lms | score -m "$cls" - >dash
compare_ two cat
compare_ two dash
grep -qx "rows	20" two

# -o appears whole
score -m "$cls" -o out texts.lms
compare_ report out

# gates
score -m "$cls" --fail-under accuracy=0.7 --fail-over loss=5 texts.lms >out
compare_ report out
refuses_ 4 "accuracy is 0.7, under the 0.71 that is asked for" score -m "$cls" --fail-under accuracy=71% texts.lms >out
refuses_ 4 "loss is" score -m "$cls" --fail-over loss=0.1 texts.lms >out
refuses_ 2 "no such measure: there are rows" score -m "$cls" --fail-under acuracy=0.7 texts.lms >out
refuses_ 2 "NAME=VALUE" score -m "$cls" --fail-under accuracy texts.lms
refuses_ 2 "NAME=VALUE" score -m "$cls" --fail-under =1 texts.lms

# options
refuses_ 2 "no model" score texts.lms
refuses_ 2 "--emit logit" score -m "$cls" --emit logit texts.lms
refuses_ 2 "unknown task of bert: known are base" score -m "$cls" --task tagging texts.lms
refuses_ 2 "has nothing to measure" score -q -m "$cls" --task base texts.lms
refuses_ 2 "BertModel has no logits" score -q -m "$cls" --task base --emit logits texts.lms
refuses_ 2 "--report is for" score -m "$cls" --report x texts.lms
refuses_ 1 "nowhere" score -m nowhere texts.lms
refuses_ 1 "nowhere.lms" score -m "$cls" nowhere.lms

# input
refuses_ 1 "texts.jsonl" score -m "$cls" texts.jsonl
sed 's/"label":"[a-z]*"/"label":"neutral"/;7s/neutral/sports/' right.jsonl | tok -m "$cls" >unseen.lms
refuses_ 1 'row 7: label "sports" is none of the model'"'"'s classes (negative, neutral, positive)' score -m "$cls" unseen.lms
grep -q "record 1" err || fail_ "the record is not named"
refuses_ 1 "is not in the model's vocabulary of 128" score -m "$cls3" texts.lms
sed 's/,"label":"[a-z]*"//' right.jsonl | tok -m "$cls" >unlabelled.lms
refuses_ 1 "no row has a label" score -m "$cls" unlabelled.lms
returns_ 0 score -m "$cls" --emit predictions -o out.lms unlabelled.lms
head -c 1000 texts.lms >cut.lms
refuses_ 3 "cut.lms" score -m "$cls" -o new cut.lms
test ! -e new || fail_ "a report of half a stream"
returns_ 3 score -q -m "$cls" --emit loss -o new.lms cut.lms 2>err
test ! -e new.lms || fail_ "half a stream under the final name"
(cat right.jsonl; printf '{"text":') | tok -m "$cls" 2>/dev/null >aborted.lms || :
returns_ 3 score -q -m "$cls" aborted.lms >out 2>err
test ! -s out || fail_ "a report of an aborted stream"

# rows without a token
printf '{"text":"","label":"neutral"}\n{"text":"","label":"positive"}\n' | tok -m "$cls" --no-special >empty.lms
score -m "$cls" empty.lms >out
grep -qx "tokens	0" out
grep -qx "labelled	2" out
score -q -m "$cls" --emit logits,probs,predictions,hidden,pooled,loss empty.lms | lms --check
# no row at all
tok -m "$cls" --input-format jsonl </dev/null >none.lms
refuses_ 1 "no row has a label" score -m "$cls" none.lms
score -q -m "$cls" --emit loss none.lms | lms --check

# the wrong tokenizer
mkdir other like
cp "$cls"/* other
cp "$cls"/* like
chmod u+w other/* like/*
sed -i 's/"the":/"thx":/' other/tokenizer.json
sed -i 's/"lowercase": *true/"lowercase": false/' like/tokenizer.json
! cmp -s other/tokenizer.json "$cls/tokenizer.json" || fail_ "the tokenizer is not changed"
! cmp -s like/tokenizer.json "$cls/tokenizer.json" || fail_ "the tokenizer is not changed"
tok -m other texts.jsonl >other.lms
tok -m like texts.jsonl >like.lms
refuses_ 1 "or insist with --force" score -m "$cls" other.lms
returns_ 0 score -m "$cls" --force other.lms >out 2>err
grep -q "as --force says" err
returns_ 0 score -m "$cls" --tokenizer other other.lms >out 2>err
returns_ 0 score -m "$cls" like.lms >out 2>err
grep -q "splits text differently" err

# plugins
refuses_ 1 "abi: built for plugin ABI 2" score -m "$cls" --plugin "$abs_top_builddir/tests/badplug/.libs/abi.so" texts.lms
LMUTILS_PLUGIN_PATH=/nonexistent refuses_ 1 'model_type "bert": no plugin serves it' score -m "$cls" texts.lms

# a disk that is full, an output that is closed, a reader that goes away
if test -w /dev/full; then
    refuses_ 1 "No space left" score -m "$cls" -o /dev/full texts.lms
    status=0
    score -m "$cls" texts.lms >/dev/full 2>err || status=$?
    same_ 1 "$status"
fi
status=0
score -m "$cls" texts.lms >&- 2>err || status=$?
same_ 1 "$status"
for i in 1 2 3 4 5 6 7 8; do cat texts.lms texts.lms texts.lms texts.lms; done >long.lms
status=0
score -q -m "$cls" --emit hidden,logits long.lms 2>err | head -c 100 >/dev/null || status=${PIPESTATUS[0]}
same_ 141 "$status"
test ! -s err || fail_ "SIGPIPE is told of"
