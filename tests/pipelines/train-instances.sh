#!/bin/bash
# Examples that are not rows as they stand: texts packed by the trainer, pairs of sentences out of documents.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
near() { # A B [TOLERANCE]
    awk -v a="$1" -v b="$2" -v t="${3:-1e-6}" 'BEGIN { exit !(a != "" && (a - b) ^ 2 < t * t) }' || fail_ "$1 and $2"
}

# ---- a vocabulary with an end of texts; texts of several lengths
tok -q --train bpe --vocab-size 400 --special '<|endoftext|>' -o bpe corpus.txt
head -n 60 corpus.txt >some.txt
tok -q -m bpe --eos some.txt >some.lms
tokens=$(tok -q -m bpe --eos --ids some.txt | wc -w)

# ---- texts that are packed whole are learned as they are alone: one step over all of them has the same loss and gradient
for family in gpt2 llama; do
    echo "{\"model_type\":\"$family\",\"embd_pdrop\":0,\"attn_pdrop\":0,\"resid_pdrop\":0}" >still.json
    new="--config still.json --layers 2 --width 32 --heads 2 --max-length 128 --tokenizer bpe"
    one="pretrain $new -b 60 --max-steps 1 --logging-steps 1 -q --eval some.lms"
    $one -o alone --log alone.jsonl some.lms
    $one -o packed --log packed.jsonl --packing best-fit --block-size 100 some.lms
    for field in loss grad_norm eval_loss; do near "$(last $field alone.jsonl)" "$(last $field packed.jsonl)" 2e-6; done
    $one -o across --log across.jsonl --packing best-fit --block-size 100 --no-document-attention some.lms
    awk -v a="$(last eval_loss alone.jsonl)" -v b="$(last eval_loss across.jsonl)" 'BEGIN { exit !((a - b) ^ 2 > 1e-8) }' ||
        fail_ "$family: texts that see one another make no difference"
done

# ---- packed by the trainer and by tok it is the same; so it is in other micro-batches, and by any number of threads
new="-a gpt2 --layers 1 --width 32 --heads 2 --max-length 128 --tokenizer bpe"
run="pretrain $new -e 2 -b 4 --learning-rate 1e-3 -q"
$run -o a --log a.jsonl --packing bfd --block-size 64 some.lms
tok -q -m bpe --pack 64 --pack-strategy best-fit some.txt >packed.lms
$run -o b packed.lms
cmp a/model.safetensors b/model.safetensors
$run -o b --block-size 64 some.lms -j 1
tok -q -m bpe --pack 64 --drop-last some.txt >packed.lms
OMP_NUM_THREADS=3 $run -o c packed.lms
cmp b/model.safetensors c/model.safetensors
$run -o b --block-size 64 --no-document-attention some.lms
$run -o d --no-document-attention packed.lms
cmp b/model.safetensors d/model.safetensors
! cmp -s c/model.safetensors d/model.safetensors || fail_ "--document-attention changes nothing"
$run -o b --log b.jsonl --packing bfd --block-size 64 --micro-tokens 50 some.lms
near "$(last loss a.jsonl)" "$(last loss b.jsonl)" 1e-5
pretrain $new -e 1 -b 4 -o b --block-size 64 some.lms 2>err
grep -q "packing: 60 texts of $tokens tokens make $((tokens / 64)) rows of up to 64 (100.0 % full); $((tokens % 64)) tokens at the end" err ||
    fail_ "$(cat err)"
grep -q "| packing | wrapped |" b/README.md || fail_ "$(cat b/README.md)"
grep -q "$((tokens / 64)) packed rows, $((tokens / 64 * 64)) tokens" b/README.md
# finetune takes the same options; masked tokens are packed as well
finetune -m b --task clm -o c -q --max-steps 2 --block-size 32 some.lms
pretrain $small -q -o mlm --max-steps 3 --block-size 40 --no-document-attention corpus.lms

# ---- documents, a sentence a line
awk 'NR % 7 == 1 && NR > 1 { print "" } { print }' corpus.txt | tok -m tokdir -q --documents >docs.lms
tail -n 70 corpus.txt | awk 'NR % 7 == 1 && NR > 1 { print "" } { print }' | tok -m tokdir -q --documents >held.lms
nsp="pretrain $small --objective pretrain -e 3 -b 16 --warmup-steps 5 --learning-rate 1e-3"
$nsp -o whole --log whole.jsonl --eval held.lms docs.lms 2>err
grep -q 'pairs of sentences: 129 documents of 900 sentences make' err || fail_ "$(cat err)"
grep -q 'first example.*\[CLS\] .*\[SEP\] .*\[SEP\] -> [01]$' err || fail_ "$(cat err)"
grep -q eval_nsp_accuracy whole.jsonl || fail_ "$(tail -n 2 whole.jsonl)"
grep -q 'BertForPreTraining' whole/config.json
# the special tokens of the rows are those of a template, or there are none
awk 'NR % 7 == 1 && NR > 1 { print "" } { print }' corpus.txt | tok -m tokdir -q --documents --no-special >bare.lms
$nsp -q -o bare --eval held.lms bare.lms -j 1
cmp whole/model.safetensors bare/model.safetensors
# killed in the second epoch and gone on with
steps=$(last step whole.jsonl)
$nsp -q -o out --eval held.lms --checkpoint ck --save-steps 5 docs.lms &
pid=$!
while ! test -e "ck/checkpoint-$((steps / 15 * 5 + 5))/MANIFEST" && kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -KILL $pid 2>/dev/null || :
wait $pid || :
$nsp -q -o out --eval held.lms --checkpoint ck --save-steps 5 --resume </dev/null
cmp whole/model.safetensors out/model.safetensors
refuses_ 2 'short-seq-prob' $nsp -q -o out --eval held.lms --checkpoint ck --resume --short-seq-prob 0.5
refuses_ 2 'block-size' $nsp -q -o out --eval held.lms --checkpoint ck --resume --block-size 32
# as it arrives
pretrain $small --objective pretrain -e 1 --shuffle-window 2000 --max-steps 4 -b 16 -q -o piped <docs.lms
# sentence order, with the same head or ALBERT's
pretrain -a albert --layers 2 --width 32 --heads 2 --max-length 64 --objective sop -e 1 -b 16 -q -o sop docs.lms
grep -q 'AlbertForPreTraining' sop/config.json
pretrain $small --objective sop --max-steps 2 --block-size 20 -q -o sop docs.lms
# of several sources, and with rows mixed in
pretrain $small --objective pretrain -e 1 -b 16 -q -o mixed --mix docs.lms=3 held.lms=1
pretrain $small --objective pretrain -e 1 -b 16 -q -o mixed --replay held.lms=0.2 docs.lms
pretrain $new -e 1 -b 4 -q -o mixed --block-size 64 --mix some.lms=1 packed.lms=1
# pairs that somebody has made are taken as they are
awk 'NR % 2 { a = $0; next } { printf "{\"text\":\"%s\",\"pair\":\"%s\",\"label\":%d}\n", a, $0, NR % 4 == 0 }' corpus.txt |
    tok -m tokdir -q --label label --label-type id >pairs.lms
pretrain $small --objective pretrain --max-steps 2 -q -o pairs pairs.lms

# ---- T5: 512 tokens of input need 568 of text; what is long is cut and joined before anything is hidden
for i in {0..39}; do echo "<extra_id_$i>"; done >sentinels
tok -q --train unigram --vocab-size 300 --special '<pad>' --special '</s>' $(sed 's/^/--special /' sentinels) -o t5tok corpus.txt
t5="-a t5 --layers 1 --width 32 --heads 2 -b 8 -q"
tok -q -m t5tok corpus.txt >t5.lms
tok -q -m t5tok some.txt >t5-held.lms
pretrain $t5 --objective span-corruption --packing wrapped -e 1 --eval t5-held.lms -o t5 t5.lms
grep -q '| block-size | 512 |' t5/README.md || fail_ "$(cat t5/README.md)"
grep -q "$(($(tok -q -m t5tok --ids corpus.txt | wc -w) / 568)) packed rows" t5/README.md || fail_ "$(cat t5/README.md)"
head -n 5 corpus.txt | tok -q -m t5tok >little.lms
refuses_ 1 'make not one example of 568: lower --block-size' pretrain $t5 --objective span-corruption --block-size 512 -o x little.lms
pretrain $t5 --objective span-corruption --block-size 30 --max-steps 3 -o x little.lms
refuses_ 1 '1137 tokens have 57 hidden spans, and the tokenizer has 40' pretrain $t5 --objective span-corruption \
    --block-size 1024 -o x t5.lms
pretrain $t5 --objective prefix-lm --block-size 60 --max-steps 3 -o x t5.lms

# ---- what does not go together
refuses_ 2 'the rows have labels' pretrain $small --objective pretrain --block-size 32 -q -o x pairs.lms
refuses_ 1 'neither a label nor the number of a document' pretrain $small --objective pretrain -q -o x corpus.lms
head -n 3 corpus.txt | tok -m tokdir -q --documents >one.lms
refuses_ 1 '1 documents, and pairs of sentences need several' pretrain $small --objective pretrain -q -o x one.lms
refuses_ 2 'makes its examples of sentences already' pretrain $small --objective pretrain --packing wrapped -q -o x docs.lms
refuses_ 2 'choose rows, and pairs of sentences are made of whole' pretrain $small --objective sop --frac 0.5 -q -o x docs.lms
refuses_ 2 'is about pairs of sentences' pretrain $small --short-seq-prob 0.2 -q -o x docs.lms
refuses_ 2 'take 5: raise it' pretrain $small --objective pretrain --block-size 4 -q -o x docs.lms
refuses_ 2 'the model takes rows of 64' pretrain $small --block-size 65 -q -o x docs.lms
refuses_ 2 'stay as they are with --packing none' pretrain $small --packing none --block-size 32 -q -o x docs.lms
refuses_ 2 'is about each by itself' finetune -m mlm --task classify --block-size 32 -q -o x train.lms
refuses_ 1 'make not one example of 64: lower --block-size' pretrain $small --block-size 64 -q -o x one.lms
printf '{"text":"the team","weight":0.5}\n{"text":"a goal","weight":1}\n' | tok -m tokdir -q --weight weight >weighted.lms
refuses_ 1 'row 1: a weight is that of a row' pretrain $small --block-size 4 -q -o x weighted.lms
refuses_ 2 'keeps what comes of the rows as they stand' finetune -m b --task clm --freeze embeddings,layer.0 --cache-frozen \
    --block-size 32 -q -o x some.lms
