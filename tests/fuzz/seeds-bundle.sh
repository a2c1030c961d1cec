#!/bin/bash
# Makes the seeds of fuzz_bundle in the directory $1: archives of a small model, whole and sharded, streams of one, and GGUF files.
set -e -u
bash "$(dirname "$0")/seeds-gguf_model.sh" "$1"
mkdir -p "$1"
cd "$1"
rm -rf m && mkdir m

tensors() { # HEADER BYTES: a safetensors file
    local n=${#1} i
    for i in 0 8 16 24 32 40 48 56; do printf '%b' "\\x$(printf %02x $((n >> i & 255)))"; done
    printf '%s' "$1"
    head -c "$2" /dev/zero
}
printf '{"model_type":"bert","architectures":["BertModel"]}' >m/config.json
printf '[PAD]\n[UNK]\na\n' >m/vocab.txt
tensors '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8 >m/model.safetensors
cp -r m s
rm s/model.safetensors
tensors '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8 >s/a.safetensors
tensors '{"v":{"dtype":"BF16","shape":[1,3],"data_offsets":[0,6]}}' 6 >s/b.safetensors
printf '{"metadata":{"total_size":14},"weight_map":{"v":"b.safetensors","w":"a.safetensors"}}' >s/model.safetensors.index.json
for kind in m s; do
    for format in v7 ustar pax gnu; do
        tar --format=$format -b 1 -cf $kind-$format.tar $kind
    done
    tar -cf - $kind | gzip -n >$kind.tar.gz
    tar -cf - $kind | bzip2 >$kind.tar.bz2
    ! type zstd >/dev/null 2>&1 || tar -cf - $kind | zstd -q >$kind.tar.zst
    ! type xz >/dev/null 2>&1 || tar -cf - $kind | xz >$kind.tar.xz
    ! type zip >/dev/null 2>&1 || zip -q -r $kind.zip $kind
    ! type zip >/dev/null 2>&1 || zip -q -0 -r $kind-stored.zip $kind
    ! type cpio >/dev/null 2>&1 || find $kind | cpio -o --quiet >$kind.cpio
done
tar -b 1 -C m -cf flat.tar .
tar -b 1 -P --transform='s,^m/vocab,../vocab,' -cf up.tar m
ln -sf /etc/passwd m/vocab.txt && tar -b 1 -cf link.tar m
rm -r m s

line() { # TEXT: a header, padded
    printf '%-*s\n' $(((${#1} + 64) / 64 * 64 - 1)) "$1"
}
record() { # HEADER PAYLOAD: both padded
    line "$1"
    printf '%s%*s\n' "$2" $((63 - ${#2} % 64)) ''
}
line '{"lms":1,"kind":"model"}' >empty.lms
{
    printf 'L\5'
    line '{"lms":1,"kind":"model"}'
    record '{"file":"config.json","bytes":2}' '{}'
    line '{"index":{"w":{"dtype":"F32","shape":[2]},"v":{"dtype":"F16","shape":[2,1]}}}'
    record '{"bytes":8,"tensors":{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}' 12345678
    record '{"part":[0,1,2],"bytes":2,"tensors":{"v":{"dtype":"F16","shape":[1,1],"data_offsets":[0,2]}}}' 12
    record '{"part":[1,1,2],"bytes":2,"tensors":{"v":{"dtype":"F16","shape":[1,1],"data_offsets":[0,2]}}}' 34
} >parts
{ # a type that no tensor of a file has
    printf 'L\2'
    line '{"lms":1,"kind":"model"}'
    line '{"index":{"w":{"dtype":"NF4","shape":[2,64]}}}'
    record '{"bytes":64,"tensors":{"w":{"dtype":"NF4","shape":[2,64],"data_offsets":[0,64]}}}' "$(printf '%064d' 1)"
} >codes
