#!/bin/bash
# distill against the DistilBERT distiller's own code: the loss and all gradients of a step, from two models and a batch.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/models goldens/losses

models=$data/goldens/models
"$abs_top_builddir/tests/unit/golden_stream" write "$models/distilbert-mlm" | lms --head 4 >batch.lms
# the step is of rate 0: what is logged is of the weights that were loaded
distill -m "$models/distilbert-mlm" --teacher "$models/bert-mlm" --task mlm --max-steps 1 --learning-rate 0 --dropout 0 -j 1 -q -o x \
    --log log.jsonl batch.lms 2>/dev/null
# "loss" of distill_e2e in losses/golden.json, and the root of the sum of the squares of its "grad_norms"
awk 'BEGIN { RS = "[{},]" } /"(loss|grad_norm)":/ { gsub(/.*:/, ""); print }' log.jsonl | head -n 2 | xargs |
    awk '{ exit !($1 > 79.1001 && $1 < 79.1002 && $2 > 178.350 && $2 < 178.352) }' || fail_ "$(head -n 1 log.jsonl)"
