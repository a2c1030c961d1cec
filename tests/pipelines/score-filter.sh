#!/bin/bash
# score --emit passes on what it does not know, keeps the order, and can be cut by rows afterwards.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/bert-cls

cls=$data/goldens/e2e/bert-cls
"$abs_top_builddir/tests/unit/golden_stream" texts "$cls" | sed 's/^{/{"id":"x","mood":"odd",/' >texts.jsonl
tok -m "$cls" --keep-text --offsets --word-ids texts.jsonl >texts.lms
score -q -m "$cls" --emit predictions,probs,pooled,hidden,loss,logits --report report texts.lms >out.lms
lms --check out.lms
grep -qx "accuracy	1" report

# all members and columns of the input are there still
grep -a '^{"' texts.lms | sed -n 2p | grep -o '"[a-z_.]*":{"dtype"' | sort >before
grep -a '^{"' out.lms | sed -n 2p | grep -o '"[a-z_.]*":{"dtype"' | sort >after
same_ "" "$(comm -23 before after)"
same_ "hidden logits loss pooled predictions probs" "$(comm -13 before after | cut -d '"' -f 2 | paste -s -d ' ')"
grep -a '^{"' out.lms | sed -n 2p | grep -q '"mood":\["odd"'
grep -a '^{"' out.lms | sed -n 2p | grep -q '"prediction":\["n'
grep -a '^{"' out.lms | head -n 1 | grep -q '"via":\["tok -m [^"]*","score -m'
grep -a '^{"' out.lms | head -n 1 | grep -q '"tokenizer":{'

# what was added goes with its row: cut first or last, the same predictions
head_of() { lms --head 7 "$@"; }
head_of out.lms | lms --check
score -q -m "$cls" --emit logits texts.lms | head_of | grep -a '^{"' | sed -n 2p | grep -q '"n":7'

# again over its own output: columns are replaced, not doubled
score -q -m "$cls" --emit predictions,logits out.lms >twice.lms
lms --check twice.lms
same_ 1 "$(grep -a '^{"' twice.lms | sed -n 2p | grep -o '"logits":{' | wc -l)"

# concatenated streams stay streams
cat texts.lms texts.lms | score -q -m "$cls" --emit loss >both.lms
lms --check both.lms
same_ 2 "$(grep -a -c '^{"lms":1' both.lms)"
same_ 2 "$(grep -a -c '^{"end"' both.lms)"
score -q -m "$cls" --emit loss texts.lms texts.lms | lms --check
