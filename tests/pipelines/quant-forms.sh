#!/bin/bash
# A model goes through all forms, and comes back as it was.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/fault-common.inc"
tiny_
pretrain -q -a llama --tokenizer vocab --layers 2 --width 64 --heads 4 --inner 128 --max-length 64 --max-steps 2 -o story news.lms
pretrain -q -a gpt2 --tokenizer vocab --layers 1 --width 64 --heads 2 --inner 96 --max-length 64 --max-steps 2 -o gpt news.lms

types_() { # MODEL: its types, each once
    quant --inspect --tsv "$1" | sed 1d | cut -f3 | sort -u | xargs
}

# ---- floats: nothing is lost, whatever the way
for model in story gpt; do
    quant -q -t f32 -m $model -o $model.gguf
    same_ F32 "$(types_ $model.gguf)"
    quant -q --dequantize -m $model.gguf -o $model-again
    cmp $model/model.safetensors $model-again/model.safetensors
    quant -q -t f32 -m $model | quant -q -t f32 -m - --to gguf -o piped.gguf
    quant -q --dequantize -m piped.gguf -o piped
    cmp $model/model.safetensors piped/model.safetensors
    quant -q --dequantize -m $model -o $model.tar
    lms -q -m $model.tar -o untarred
    cmp $model/model.safetensors untarred/model.safetensors
    rm -r untarred
done

# ---- blocks: the same from a directory, a stream and another GGUF file, and for any number of threads
for model in story gpt; do
    for type in q8_0 q4_0 q4_k_m; do
        quant -q -j1 -t $type -m $model -o one.gguf 2>err
        quant -q -j3 -t $type -m $model -o three.gguf 2>err
        cmp one.gguf three.gguf
        quant -q -t $type -m $model.gguf -o other.gguf 2>err
        quant --inspect --tsv one.gguf >one.tsv
        quant --inspect --tsv other.gguf | compare_ one.tsv -
    done
    # a stream has the rows as Hugging Face has them, and blocks of whole rows; back in GGUF they are the bytes that they were
    quant -q -t q8_0 -m $model -o here.lms
    quant -q -t q8_0 -m here.lms --to gguf -o $model 2>err && fail_ "a GGUF file takes the place of a directory"
    cp -r $model kept
    quant -q -t q8_0 -m here.lms -o there.gguf
    quant -q -t q8_0 -m $model -o straight.gguf
    for file in there straight; do
        quant -q --dequantize -m $file.gguf -o $file
    done
    quant -q --dequantize -m here.lms -o here
    cmp there/model.safetensors straight/model.safetensors
    cmp there/model.safetensors here/model.safetensors
    rm -r here there straight kept
done
same_ "F32 Q5_0 Q8_0" "$(quant -q -t q4_k_m -m story -o mixed.gguf 2>/dev/null; types_ mixed.gguf)"
quant -t q4_k_m -m story -o mixed.gguf 2>err
grep -q 'rows that no block divides.*(64 columns) Q5_0, not Q4_K' err || fail_ "the types that stand in are not said: $(cat err)"

# ---- the template beside a model goes along; a tensor that has no place there is not left out in silence
cp -r story talks
echo '{% for m in messages %}a mark of its own{% endfor %}' >talks/chat_template.jinja
quant -q -t f16 -m talks -o talks.gguf
grep -qa 'a mark of its own' talks.gguf || fail_ "the chat template is not in the file"
LC_ALL=C sed -i 's/self_attn\.k_proj/self_attn.x_proj/g' talks/model.safetensors
refuses_ 1 'has no place in a GGUF file' quant -q -t f16 -m talks -o lost.gguf
test ! -e lost.gguf || fail_ "a model without a tensor"

# ---- what is where
quant -q -t q4_0 --tensor-type 'attn_v=q8_0' --tensor-type '^blk\.0\.ffn=q5_1' --token-embedding-type f16 -m story -o chosen.gguf
quant --inspect --tsv chosen.gguf >chosen.tsv
for expected in 'token_embd.weight.*F16' 'blk.1.attn_v.weight.*Q8_0' 'blk.0.ffn_up.weight.*Q5_1' 'blk.1.ffn_up.weight.*Q4_0'; do
    grep -q "$expected" chosen.tsv || fail_ "$expected: $(cat chosen.tsv)"
done
quant --plan -t q4_0 -m story -o nothing.gguf >plan
grep -q 'blk.0.ffn_up.weight .*F32 .*Q4_0' plan || fail_ "$(cat plan)"
test ! -e nothing.gguf
quant --inspect --json chosen.gguf >chosen.json
bytes=$(sed 's/.*"bytes":\([0-9]*\)}$/\1/' chosen.json)
same_ "$bytes" "$(sed 1d chosen.tsv | awk -F '\t' '{ n += $4 } END { print n }')"

# ---- a size is kept, and what there is room for is used
whole=$(stat -c %s story.gguf)
for share in 3 4 5; do
    aim=$((whole / share))
    quant -q --target-size $aim -m story -o fit.gguf
    size=$(stat -c %s fit.gguf)
    if test "$size" -gt $aim || test "$size" -lt $((aim * 8 / 10)); then fail_ "$size bytes for an aim of $aim"; fi
    cp fit.gguf before.gguf
    quant -q -j1 --target-size $aim -m story -o fit.gguf
    cmp before.gguf fit.gguf
done
refuses_ 1 'the smallest file of this model has' quant --target-size 1000 -m story -o none.gguf

# ---- bitsandbytes: heads, embeddings and norms stay; back in floats it is what the codes say
finetune -q -m tiny -o news --max-steps 2 news.lms
for how in "-t nf4" "-t fp4 --block-size 128" "-t nf4 --double-quant" "-t int8"; do
    quant -q $how -m news -o small
    quant --inspect --tsv small >small.tsv
    kind=$(echo "$how" | sed 's/-t \([a-z0-9]*\).*/\U\1/; s/INT8/I8/')
    grep -q "bert.encoder.layer.0.output.dense.weight.*$kind" small.tsv || fail_ "$how: $(cat small.tsv)"
    for kept in bert.embeddings.word_embeddings.weight bert.encoder.layer.0.output.LayerNorm.weight classifier.weight; do
        grep -q "$kept.*F32" small.tsv || fail_ "$how: $kept: $(cat small.tsv)"
    done
    grep -q '"quant_method": "bitsandbytes"' small/config.json || fail_ "config.json: $(cat small/config.json)"
    grep -q '"classifier"' small/config.json || fail_ "the head is not skipped: $(cat small/config.json)"
    quant -q --dequantize -m small -o back
    ! grep -q quantization_config back/config.json || fail_ "floats that are said to be codes"
    quant -q $how -m back -o twice # codes of what codes say are these codes
    test "$how" != "-t nf4" || cmp small/model.safetensors twice/model.safetensors
    score -q --batch-tokens 4096 --activations f32 -m small news.lms >small.scores
    score -q --batch-tokens 4096 -m back news.lms | compare_ small.scores -
done
quant -q -t nf4 --skip-modules intermediate.dense --skip-modules classifier -m news -o small
quant --inspect --tsv small | grep -q 'intermediate.dense.weight.*F32'
quant --inspect --tsv small | grep -q 'attention.self.query.weight.*NF4'

# ---- how far a model is from its floats: the fewer bits the further
last=0
for type in f32 q8_0 q4_0; do
    quant -q -t $type -m story --report news.lms -o reported.gguf >report 2>err
    quant -q --report news.lms --reference story -m reported.gguf >again
    compare_ report again
    divergence=$(awk -F '\t' '$1 == "kl_divergence" { print $2 }' report)
    awk -v a="$divergence" -v b="$last" 'BEGIN { exit !(a >= b && a < 1) }' || fail_ "$type: $divergence after $last"
    last=$divergence
done
awk -v d="$last" 'BEGIN { exit !(d > 0) }' || fail_ "four bits cost nothing"
quant -q --json --report news.lms --reference story -m reported.gguf | grep -q '"top1_agreement":'

# ---- what is asked for is possible
refuses_ 2 'what is to be made' quant -m story -o x.gguf
refuses_ 2 'one of them at a time' quant -t q8_0 --dequantize -m story -o x.gguf
refuses_ 2 'GGUF has no such type' quant -t nf4 -m story -o x.gguf
refuses_ 2 'have no such type' quant -t q8_0 -m story --to hf -o x
refuses_ 2 'have no such type' quant -t q8_0 -m story -o gpt
refuses_ 2 'power of two' quant -t nf4 --block-size 48 -m story -o x
refuses_ 2 'are for -t nf4' quant -t q8_0 --double-quant -m story -o x.gguf
refuses_ 2 'REGEX=TYPE' quant -t q8_0 --tensor-type attn_v -m story -o x.gguf
refuses_ 2 'is called so' quant -t q8_0 --tensor-type nowhere=q4_0 -m story -o x.gguf
refuses_ 2 'needs --imatrix' quant -t q2_k_s -m story -o x.gguf
refuses_ 2 'where no model is made' quant -t q8_0 --reference story --report news.lms -m story -o x.gguf
refuses_ 2 'have to be files' quant -t q8_0 --report news.lms -m story
refuses_ 2 'which model' quant -t q8_0 -o x.gguf
test ! -e x && test ! -e x.gguf || fail_ "something is left"
