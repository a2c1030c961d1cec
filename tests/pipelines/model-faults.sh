#!/bin/bash
# Models that are damaged, absurd, or made to do harm: each is refused with what is wrong.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small -b 16 --max-steps 1 -q -o m corpus.lms
opens() {
    lms --check -m "$1" >/dev/null
}

# ---- archives
tar -cf good.tar m
opens good.tar
tar -P --transform='s,^m/vocab,../vocab,' -cf up.tar m
tar -P --transform='s,^m/vocab,m/../../vocab,' -cf inner.tar m
tar -P --transform='s,^m,/tmp/m,' -cf absolute.tar m
cp -r m linked && ln -sf /etc/passwd linked/vocab.txt && tar -cf symlink.tar linked
rm linked/vocab.txt && ln linked/config.json linked/vocab.txt && tar -cf hardlink.tar linked
rm linked/vocab.txt && mkfifo linked/vocab.txt && tar -cf fifo.tar linked
cp good.tar twice.tar && tar -rf twice.tar m/config.json
refuses_ 1 '"../vocab.txt": names have to be relative and stay inside' opens up.tar
refuses_ 1 '"m/../../vocab.txt": names have to be relative' opens inner.tar
refuses_ 1 '"/tmp/m/' opens absolute.tar
refuses_ 1 'vocab.txt: a link: refused' opens symlink.tar
refuses_ 1 ': a link: refused' opens hardlink.tar
refuses_ 1 'vocab.txt: a device or the like: refused' opens fifo.tar
refuses_ 1 'two files called "m/config.json"' opens twice.tar
mkdir holes && cp m/* holes && truncate -s 1M holes/vocab.txt && tar -S -cf sparse.tar holes
refuses_ 1 'a file with holes: refused' opens sparse.tar
mkdir none && tar -cf empty.tar none
refuses_ 1 'an archive without files' opens empty.tar
refuses_ 1 'no config.json' opens <(tar -cf - train.csv)
tar -C m -cf bare.tar config.json vocab.txt
refuses_ 1 'no model.safetensors' opens bare.tar
gzip -k train.csv
refuses_ 1 'train.csv.gz' opens train.csv.gz
refuses_ 1 'a model is a directory' opens train.csv
refuses_ 1 'none of them' opens tokdir/vocab.txt
# cut and damaged ones; a header that lies about its size
for form in tar tar.gz tar.zst tar.xz zip; do
    lms -m m -o whole.$form
    size=$(stat -c %s whole.$form)
    for cut in 1 100 $((size / 2)) $((size - 20000)); do
        test $cut -lt $size && test $cut -gt 0 || continue
        head -c $cut whole.$form >cut.$form
        status=0
        opens cut.$form 2>err || status=$?
        test $status = 1 || test $status = 3 || fail_ "cut.$form at $cut of $size gives status $status"
    done
done
bytes_() { # FILE OFFSET: standard input over what is there
    dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
cp whole.tar lying.tar # 8 GiB, where there are 200 kB
printf '77777777777' | bytes_ lying.tar 124
status=0
opens lying.tar 2>err || status=$?
test $status != 0 || fail_ "lying.tar is taken"

# ---- no room on the disk is said before anything is written
refuses_ 1 'cannot make a file' env TMPDIR=/nowhere "$(type -p lms)" --check -m whole.tar.gz

# ---- streams
lms -m m -o m.lms
size=$(stat -c %s m.lms)
for cut in 100 5000 $((size / 2)) $((size - 64)) $((size - 1)); do
    head -c $cut m.lms >cut.lms
    refuses_ 3 '' opens cut.lms
done
sed 's/hidden_size/hidden_sise/' m.lms >bad.lms
refuses_ 1 'digest' opens bad.lms
refuses_ 1 'a stream of kind tokens, where a model is expected' opens train.lms
cat m.lms m.lms >two.lms
refuses_ 1 'a second model' opens two.lms
line_() { # TEXT: a header, padded
    printf '%-*s\n' $(((${#1} + 64) / 64 * 64 - 1)) "$1"
}
record_() { # HEADER PAYLOAD: both padded
    line_ "$1"
    printf '%s%*s\n' "$2" $((63 - ${#2} % 64)) ''
}
hand() { # RECORDS: the records on standard input become a stream with a good end, whose digest the reader says
    {
        line_ '{"lms":1,"kind":"model"}'
        cat
    } >body
    {
        cat body
        line_ '{"end":{"records":'"$1"',"examples":0,"xxh3":"0000000000000000"}}'
    } >trial
    digest=$({ lms --check trial 2>&1 >/dev/null || :; } | sed -n 's/.*the digest is \([0-9a-f]\{16\}\).*/\1/p')
    cat body
    line_ '{"end":{"records":'"$1"',"examples":0,"xxh3":"'"$digest"'"}}'
}
config='{"file":"config.json","bytes":2}'
tensor='{"bytes":8,"tensors":{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}'
index='{"index":{"w":{"dtype":"F32","shape":[2]}}}'
try_() { # TEXT RECORDS: so many records on standard input are refused with this text
    hand "$2" >hand.lms
    refuses_ 1 "$1" opens hand.lms
}
{ record_ "$tensor" 12345678; } | try_ 'before the index that announces it' 1
{ line_ "$index"; } | try_ 'is announced and does not come' 1
{ line_ "$index"; line_ "$index"; } | try_ 'is announced twice' 2
{ line_ "$index"; record_ "${tensor//\"w\"/\"v\"}" 12345678; } | try_ 'where the index announces w' 2
{ line_ "${index/F32/F16}"; record_ "$tensor" 12345678; } | try_ 'another dtype or shape than the index says' 2
{ line_ "$index"; record_ "$tensor" 12345678; line_ "${index/w/v}"; } | try_ 'an index behind the first tensor' 3
{ line_ '{"index":{"w":{"dtype":"F99","shape":[2]}}}'; record_ "$tensor" 12345678; } | try_ 'no dtype and shape' 2
{ line_ '{"index":{"w":{"dtype":"F32","shape":[4]}}}'; record_ "${tensor/\{/\{\"part\":[2,2,4],}" 12345678; } |
    try_ 'parts do not follow one another' 2
{ record_ "$config" '{}'; record_ "$config" '{}'; } | try_ 'two files called "config.json"' 2
{ record_ '{"file":"/etc/passwd","bytes":2}' '{}'; } | try_ 'no name of a file' 1
{ record_ "$config" '{}'; } | try_ 'model_type is missing' 1

# ---- shards
lms -m m -o shards --max-shard-size 20KB
test "$(ls shards/*.safetensors | wc -l)" -gt 3
opens shards
lms -m shards -o one
cmp m/model.safetensors one/model.safetensors
spoil() { # a copy of the shards, to be spoilt by the command
    rm -rf s && cp -r shards s && (cd s && eval "$1")
}
spoil 'rm model-00002-of-*'
refuses_ 1 'index.json: the shard model-00002-of-' opens s
spoil 'head -c 100 model-00001-of-* >x; mv x model-00001-of-*'
refuses_ 1 'model-00001-of-' opens s
spoil 'echo "{" >model.safetensors.index.json'
refuses_ 1 'index.json:2: ' opens s
spoil 'echo "{}" >model.safetensors.index.json'
refuses_ 1 'weight_map is missing' opens s
spoil 'echo "{\"weight_map\":{}}" >model.safetensors.index.json'
refuses_ 1 'weight_map is empty' opens s
spoil 'echo "{\"weight_map\":{\"x\":3}}" >model.safetensors.index.json'
refuses_ 1 '"x" names no file' opens s
spoil 'sed -i s,model-00001-of,../model-00001-of, model.safetensors.index.json'
refuses_ 1 'is no shard of this directory' opens s
spoil 'sed -i "/classifier\|predictions.bias/s/model-0000.-of/model-00001-of/;s/: \"model-00001/: \"model-00002/" model.safetensors.index.json'
refuses_ 1 'is not in model-' opens s
refuses_ 2 'a size is expected' lms -m m -o x --max-shard-size much

# ---- weights that are no numbers
cp -r m nan
printf '\0\0\xc0\x7f\0\0\x80\xff' | bytes_ nan/model.safetensors $(($(stat -c %s nan/model.safetensors) - 8))
refuses_ 1 '1 tensor holds values that are no finite numbers: ' opens nan
grep -q '1 NaN and 1 infinite of [0-9]*, the first at \[' err
refuses_ 1 'no finite numbers' finetune -m nan --check -q -o x train.lms
refuses_ 1 'no finite numbers' score -m nan --check corpus.lms
score -q -m nan corpus.lms >/dev/null 2>&1 || : # without --check it is not looked at
test ! -e x

# ---- config.json
config_() { # SED: a copy of the model with a changed config.json
    rm -rf c && cp -r m c && sed -i "$1" c/config.json
}
config_ 's/"model_type": "bert"/"model_type": "warp"/'
refuses_ 1 'model_type "warp": no plugin serves it (known: ' opens c
grep -q "tried .*plugins" err
config_ 's/"hidden_size": [0-9]*/"hidden_size": "wide"/'
refuses_ 1 'config.json: hidden_size: an integer' opens c
config_ 's/"vocab_size": [0-9]*/"vocab_size": 2147483647/'
refuses_ 1 'config.json asks for [2147483647' opens c
config_ 's/"num_hidden_layers": [0-9]*/"num_hidden_layers": 2147483647/'
refuses_ 1 '2147483647 layers' opens c
sed 's/"vocab_size": [0-9]*/"vocab_size": 2147483647/; s/"hidden_size": [0-9]*/"hidden_size": 65536/;
    s/"intermediate_size": [0-9]*/"intermediate_size": 2000000000/' m/config.json >huge.json
refuses_ 1 'this machine has' pretrain --config huge.json --tokenizer tokdir -q -o x corpus.lms
config_ 's/^{/{"x": 1,/; s/$/,/'
refuses_ 1 'c/config.json:' opens c

# ---- dtypes: converted, said where a value does not fit, and config.json says so
for dtype in f16 bf16 f32 float16 bfloat16; do
    lms -m m -o d-$dtype --dtype $dtype
    opens d-$dtype
done
grep -q '"torch_dtype": "float16"' d-f16/config.json
grep -q '"torch_dtype": "bfloat16"' d-bf16/config.json
cmp d-float16/model.safetensors d-f16/model.safetensors
diff -r m d-f32
test $(($(stat -c %s d-f16/model.safetensors) * 2)) -lt $(($(stat -c %s m/model.safetensors) + 20000))
lms -m d-bf16 -o d2 --dtype bf16 && diff -r d-bf16 d2
lms -m d-bf16 -o d3.lms && lms -m d3.lms -o d3 --dtype f32 && lms -m d3 -o d4 --dtype bf16 && diff -r d-bf16 d4
finetune -m d-f16 -b 16 --max-steps 1 -q -o f --dtype bf16 train.lms
lms --check -m f | grep -q ' BF16, '
grep -q '"torch_dtype": "bfloat16"' f/config.json
finetune -m d-f16 -b 16 --max-steps 1 -q -o f train.lms
lms --check -m f | grep -q ' F32, '
cp -r m big
printf '\0\x24\x74\x49' | bytes_ big/model.safetensors $(($(stat -c %s big/model.safetensors) - 4))
refuses_ 1 'too large for F16: choose f32 or bf16' lms -m big -o x --dtype f16
test ! -e x

# ---- an installation that lacks its BLAS
if test -e "$abs_top_builddir/.libs/liblmutils-blas.so"; then
    mkdir alone
    cp "$abs_top_builddir"/.libs/liblmutils.so.0 alone/
    LD_LIBRARY_PATH=$PWD/alone lms --version >/dev/null
    refuses_ 1 "score: $PWD/alone/liblmutils-blas.so: cannot load BLAS: " env LD_LIBRARY_PATH="$PWD/alone" score -m m corpus.lms
fi
