#!/bin/bash
# All tokenizers of the reference data, variants of them, and components by themselves, against the Rust
# `tokenizers` on random texts: make check TESTS=tests/differential/differential.sh. It runs where npm's package is,
# and is a part of tests/run there: LMUTILS_NPM is the directory whose node_modules has @anush008/tokenizers (0.22).
# LMUTILS_DIFFERENTIAL_TEXTS says how many texts each gets, LMUTILS_DIFFERENTIAL_SEED which.
. "$(dirname "$0")/../pipelines/init.sh"

npm=${LMUTILS_NPM:-$abs_top_builddir}
if ! test -d "$npm/node_modules/@anush008/tokenizers"; then
    echo "SKIP: $test_name: LMUTILS_NPM has no node_modules/@anush008/tokenizers"
    exit 77
fi
needs_program_ node
needs_data_ tokenizers goldens/tokenizer
scripts=$abs_top_srcdir/tests/differential
texts=${LMUTILS_DIFFERENTIAL_TEXTS:-100}
seed=${LMUTILS_DIFFERENTIAL_SEED:-1}
small=$data/goldens/tokenizer

mkdir goldens variants
(
    cd "$npm"
    node "$scripts/components.mjs" "$((texts / 10 + 1))" "$seed" "$data/tokenizers/t5-small/tokenizer.json" >"$work/components.json"
    node "$scripts/variants.mjs" "$work/variants" "$small/gpt2-small/tokenizer.json" "$small/bert-uncased-small/tokenizer.json"
    node "$scripts/reference.mjs" "$work/goldens" "$texts" "$seed" "$work"/variants/*.json "$small"/*-small* \
        "$data"/tokenizers/{gpt2,roberta-base,llama2,llama3,qwen3,gemma3,t5-small} \
        "$data"/tokenizers/{bert-base-uncased,bert-base-multilingual-cased,klue-roberta,koelectra}
)
test "$(wc -l <goldens/list)" -ge 25
LMUTILS_COMPONENTS=$work/components.json "$abs_top_builddir/tests/unit/check_components"
LMUTILS_GOLDENS=$work/goldens/list "$abs_top_builddir/tests/unit/check_tokenizers"
