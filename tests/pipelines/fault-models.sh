#!/bin/bash
# A model directory that is not what its config.json says is refused with the tensor named; so are strange plugins.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/fault-common.inc"
tiny_
finetune -q -m tiny -o good --max-steps 2 news.lms
score -q -m good news.lms >/dev/null

broken_() { rm -rf bad && cp -r good bad; }

# a tensor missing: its name is spelt differently in the file
broken_
LC_ALL=C sed -i 's/encoder\.layer\.0\.output\.dense\.weight/encoder.layer.0.output.dense.weighs/' bad/model.safetensors
refuses_ 1 encoder.layer.0.output.dense.weight score -m bad news.lms
refuses_ 1 encoder.layer.0.output.dense.weight finetune -m bad -o model news.lms
test ! -e model

# tensors of another shape than the config's
broken_
sed -i 's/"intermediate_size": *64/"intermediate_size": 48/' bad/config.json
refuses_ 1 encoder.layer.0.intermediate.dense.weight score -m bad news.lms
grep -q 48 err && grep -q 64 err || fail_ "the message names no shapes: $(cat err)"

# files cut, empty, or not there
size=$(wc -c <good/model.safetensors)
for at in 0 4 8 100 $((size - 1)); do
    broken_
    head -c "$at" good/model.safetensors >bad/model.safetensors
    refuses_ 1 model.safetensors score -m bad news.lms
done
broken_
rm bad/model.safetensors
refuses_ 1 model.safetensors score -m bad news.lms
broken_
printf '{"model_type":"bert",' >bad/config.json
refuses_ 1 config.json score -m bad news.lms
broken_
sed -i 's/"model_type": *"bert"/"model_type": "brt"/' bad/config.json
refuses_ 1 brt score -m bad news.lms
refuses_ 1 nowhere score -m nowhere news.lms

# a pickle is not read
broken_
rm bad/model.safetensors
printf '\200\002}q\000.' >bad/pytorch_model.bin
refuses_ 1 safetensors score -m bad news.lms

# plugins: another ABI, no plugin at all, none
needs_program_ cc
cat >family.c <<'END'
#include "lmutils/plugin.h"
#ifdef OLD_ABI
#undef LM_PLUGIN_ABI
#define LM_PLUGIN_ABI 999u
#endif
#ifdef NO_ENTRY
int nothing;
#else
LM_PLUGIN(.name = "bert", .model_types = "bert");
#endif
END
for flag in OLD_ABI NO_ENTRY; do
    cc -shared -fPIC -D$flag -I"$abs_top_srcdir/libshared" -o $flag.so family.c
done
refuses_ 1 OLD_ABI.so score --plugin "$work/OLD_ABI.so" -m good news.lms
grep -q 999 err || fail_ "another ABI: the message does not name it: $(cat err)"
refuses_ 1 NO_ENTRY.so score --plugin "$work/NO_ENTRY.so" -m good news.lms
refuses_ 1 nothing.so score --plugin "$work/nothing.so" -m good news.lms
printf 'not a shared object' >text.so
refuses_ 1 text.so score --plugin "$work/text.so" -m good news.lms
