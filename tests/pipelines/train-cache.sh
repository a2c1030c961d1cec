#!/bin/bash
# --cache-frozen beside evaluations, which begin behind what is frozen too, and with blocks that share their parameters (ALBERT).
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"
pretrain $small --layers 3 -b 16 -e 2 --learning-rate 2e-3 -q -o mini corpus.lms

numbers() { # LOG: step, training loss or evaluation loss and accuracy
    grep -oE '"(step|loss|eval_loss|eval_accuracy)": ?[0-9.e-]+' "$1" | tr -d ' "' | tr ':' ' '
}
# Both logs have the same lines, and losses as near as sums in another order.
same_course() { # MODEL OPTIONS: with the cache, without it
    local model=$1
    shift
    for how in plain cached; do
        finetune -m "$model" -b 16 --learning-rate 3e-3 --dropout 0 --logging-steps 20 --eval test.lms --log $how.jsonl \
            -o out-$how $(test $how = plain || echo --cache-frozen) "$@" train.lms 2>$how.err || fail_ "$(cat $how.err)"
        numbers $how.jsonl >$how.numbers
    done
    test "$(grep -c eval_loss plain.numbers)" -ge 2 || fail_ "too few evaluations"
    paste plain.numbers cached.numbers | awk '$1 != $3 || $2 - $4 > 5e-4 || $4 - $2 > 5e-4 { print; bad = 1 } END { exit bad }' ||
        fail_ "line ${BASH_LINENO[0]}: $*"
}
kept() { # how often outputs for the rows of an evaluation were computed
    grep -c 'over 150 rows of the evaluation .* are kept' cached.err || :
}

same_course mini -e 3 --freeze-except head # a vector a row, once for three evaluations
same_ 1 "$(kept)"
same_course mini --freeze embeddings,layer.0-1 --eval-steps 40 --max-steps 130 # one for each token
same_ 1 "$(kept)"
same_course mini --unfreeze-every 60 --eval-steps 25 --max-steps 240 # anew where less is frozen, not at all where nothing is
same_ 3 "$(kept)"
grep -q 'the embeddings and 2 blocks have run once over 150 rows of the evaluation' cached.err
# tags, whose heads look at each token
sed -n 2,201p train.csv | awk -F, '{ n = split($2, w, " "); for (i = 1; i <= n; i++) print w[i], "O", (length(w[i]) > 5 ? "B-LONG" : "O"); print "" }' >words.conll
tok -q -m tokdir --input-format conll words.conll >words.lms
finetune -m mini -q -b 16 -e 2 --dropout 0 --eval words.lms --freeze body --cache-frozen --log tags.jsonl -o tags words.lms
finetune -m mini -q -b 16 -e 2 --dropout 0 --eval words.lms --freeze body --log plain.jsonl -o tags-plain words.lms
paste <(numbers tags.jsonl) <(numbers plain.jsonl) | awk '$1 != $3 || $2 - $4 > 5e-4 || $4 - $2 > 5e-4 { exit 1 }' || fail_ "tags"
# resumed, the same bytes; in a file past the budget, the same values
saved="--save-steps 30 --checkpoint ck --resume"
cached="-m mini -b 16 -q --eval test.lms --eval-steps 20 --freeze embeddings,layer.0 --cache-frozen --keep-best --max-steps 80"
finetune $cached -o whole train.lms
returns_ 5 finetune $cached $saved --max-time 0.001 -o out train.lms 2>err
finetune $cached $saved -o out </dev/null
cmp whole/model.safetensors out/model.safetensors
make_words 8000 5 | tok -m tokdir -q --text text --label label >many.lms
finetune -m mini -b 16 --freeze embeddings,layer.0-1 --cache-frozen --micro-tokens 2048 --max-steps 20 --memory 60M --eval many.lms \
    -o bounded train.lms 2>err || fail_ "$(cat err)"
grep -q 'over 8000 rows of the evaluation .* are kept in a file' err || fail_ "$(grep kept err)"

# ---- ALBERT: four blocks of two groups; what one block of a group learns changes the others
cat >albert.json <<'EOF'
{"model_type": "albert", "vocab_size": 0, "embedding_size": 16, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4,
 "num_hidden_groups": 2, "inner_group_num": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
EOF
sed -i "s/\"vocab_size\": 0/\"vocab_size\": $(wc -l <tokdir/vocab.txt)/" albert.json
pretrain --config albert.json -b 16 -e 1 --learning-rate 2e-3 -q -o albert corpus.lms
same_course albert -e 3 --freeze-except head
same_ 1 "$(kept)"
grep -q 'the embeddings and 4 blocks have run once over 900 rows' cached.err
same_course albert -e 2 --freeze embeddings,layer.0 # a group of two blocks
grep -q 'the embeddings and 2 blocks have run once over 150 rows of the evaluation' cached.err
same_course albert --unfreeze-every 60 --eval-steps 25 --max-steps 200
# one group for all blocks, as those that are published have: nothing but all of it can be frozen
sed 's/"num_hidden_groups": 2/"num_hidden_groups": 1/' albert.json >shared.json
pretrain --config shared.json -b 16 --max-steps 20 -q -o shared corpus.lms
same_course shared -e 2 --freeze-except head
grep -q 'the embeddings and 4 blocks have run once over 900 rows' cached.err
