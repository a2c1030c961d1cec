#!/bin/bash
# score against transformers: what it adds to a stream is what the reference computed, and its report fits.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/models/bert-mlm

golden_stream=$abs_top_builddir/tests/unit/golden_stream
models=$data/goldens/models

for case in cls2 cls3 cls4 multilabel4 reg1; do
    "$golden_stream" write "$models/bert-$case" >"$case.lms"
    score -q -m "$models/bert-$case" --emit logits,hidden,pooled <"$case.lms" 2>err |
        "$golden_stream" compare "$models/bert-$case"
    # two batches in one report: the mean of the losses, by rows
    score -q -m "$models/bert-$case" "$case.lms" >report 2>err
    score -q -m "$models/bert-$case" --batch-tokens 1 "$case.lms" >again 2>err
    # sums of products in another order: single precision of values near 0, which r of seven rows may be
    paste report again | awk -F '\t' '$1 != $3 || ($2 != $4 && ($2 - $4 > 2e-6 || $4 - $2 > 2e-6)) { print; bad = 1 }
        END { exit bad }' || fail_ "$case: batches of one row, and other values"
    grep -q "^rows	7$" report
done
for case in mlm mlm-f16 pretrain; do
    "$golden_stream" write "$models/bert-$case" >"$case.lms"
    score -q -m "$models/bert-$case" --emit logits --emit hidden <"$case.lms" 2>err |
        "$golden_stream" compare "$models/bert-$case"
    score -q -m "$models/bert-$case" "$case.lms" >report 2>err
    grep -q "^perplexity	" report
    grep -q "^accuracy	" report
done

# directories with the names of old
for dir in bert-gammabeta bert-tied-stored; do
    score -q -m "$data/goldens/extras/$dir" --emit logits <mlm.lms 2>err | "$golden_stream" compare "$models/bert-mlm"
done

# threads change nothing
for threads in 1 3; do
    OMP_NUM_THREADS=$threads score -q -m "$models/bert-mlm" --emit logits,probs,predictions,loss -o out.lms mlm.lms 2>err
    mv out.lms "threads$threads.lms"
done
compare_ threads1.lms threads3.lms

# from text to classes of texts, and to classes of tokens
for case in bert-cls roberta-nli distilbert-ner; do
    e2e=$data/goldens/e2e/$case
    "$golden_stream" texts "$e2e" >texts.jsonl
    tok -m "$e2e" texts.jsonl >texts.lms
    score -q -m "$e2e" --emit logits,probs,predictions <texts.lms | "$golden_stream" items "$e2e"
    test "$case" != distilbert-ner || continue # its texts have no tags to be measured by
    score -m "$e2e" texts.lms >report
    grep -qx "accuracy	1" report
done
# what is written for a text
e2e=$data/goldens/e2e/t5-s2s
"$golden_stream" texts "$e2e" | tok -m "$e2e" --target target_text >targets.lms
score -q -m "$e2e" --emit loss,logprobs <targets.lms 2>err | "$golden_stream" items "$e2e"
# guesses of hidden tokens
for case in bert-fillmask roberta-fillmask; do
    e2e=$data/goldens/e2e/$case
    "$golden_stream" masked "$e2e" | score -q -m "$e2e" --emit probs 2>err | "$golden_stream" items "$e2e"
done
# probabilities of texts
for case in gpt2-lm llama-lm qwen-lm; do
    e2e=$data/goldens/e2e/$case
    "$golden_stream" texts "$e2e" | tok -q -m "$e2e" | score -q -m "$e2e" --emit logprobs | "$golden_stream" items "$e2e"
done
