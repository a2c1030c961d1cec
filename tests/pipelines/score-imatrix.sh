#!/bin/bash
# score --emit imatrix: how large the inputs of layers are, in llama.cpp's forms.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

finetune $small -b 30 --max-steps 4 -q -o model train.lms

# ---- of a classifier, which needs no labels; the same bytes on any number of threads
score -m model --emit imatrix -o im.gguf test.lms
test "$(head -c 4 im.gguf)" = GGUF
for name in general.type imatrix.datasets imatrix.chunk_count imatrix.chunk_size test.lms blk.0.attn_q.weight.in_sum2 \
    blk.1.ffn_down.weight.counts; do
    grep -qaF "$name" im.gguf || fail_ "im.gguf has no $name"
done
! grep -qaE 'token_embd|cls' im.gguf || fail_ "there is more in it than the layers of blocks"
score -m model --emit imatrix -j1 test.lms >one.gguf
cmp im.gguf one.gguf
tok -m tokdir -q --text text test.csv >test2.lms
cp test2.lms test.lms
score -m model --emit imatrix -o unlabelled.gguf test.lms
cmp im.gguf unlabelled.gguf

# ---- the older form
score -m model --emit imatrix -o im.dat test.lms
grep -qaF blk.0.attn_q.weight im.dat || fail_ "im.dat has no names"
test "$(od -An -tu4 -N4 im.dat | xargs)" = 12

# ---- what does not go together
refuses_ 2 'imatrix, which goes alone' score -m model --emit logits,imatrix test.lms
refuses_ 2 '--emit imatrix writes an importance matrix' score -m model --emit imatrix --tsv test.lms
: | tok -m tokdir -q >none.lms
refuses_ 1 'there are no rows' score -m model --emit imatrix -o none.gguf none.lms
test ! -e none.gguf
pretrain -a lstm --layers 1 --width 32 --max-steps 1 -q -o lstm corpus.lms
refuses_ 1 "an importance matrix has GGUF's names" score -m lstm --emit imatrix -o x.gguf corpus.lms
head -c 3000 corpus.lms >cut.lms
refuses_ 3 'cut.lms' score -m model --emit imatrix -o cut.gguf cut.lms
test ! -e cut.gguf
