#!/bin/bash
# Makes the seeds of fuzz_safetensors in the directory $1: small goldens where they are, and files with a fault each.
set -e -u
mkdir -p "$1"
cd "$1"
if test -n "${LMUTILS_TESTDATA:-}"; then
    for file in "$LMUTILS_TESTDATA"/goldens/*/*/*.safetensors "$LMUTILS_TESTDATA"/data/bad/fixtures/*; do
        test ! -f "$file" || test "$(stat -c %s "$file")" -gt 60000 ||
            cp "$file" "golden-$(basename "$(dirname "$file")")-$(basename "$file")"
    done
fi

seed() { # NAME HEADER BYTES
    local n=${#2} i
    {
        for i in 0 8 16 24 32 40 48 56; do printf '%b' "\\x$(printf %02x $((n >> i & 255)))"; done
        printf '%s' "$2"
        head -c "$3" /dev/zero
    } >"$1"
}
t() { # DTYPE SHAPE OFFSETS
    printf '{"dtype":"%s","shape":[%s],"data_offsets":[%s]}' "$1" "$2" "$3"
}
seed none '{}' 0
seed padded '{"__metadata__":{"format":"pt"}}        ' 0
seed metadata-list '{"__metadata__":[]}' 0
seed metadata-number '{"__metadata__":{"a":1}}' 0
for dtype in F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL F8_E4M3; do
    case $dtype in *64) size=8 ;; *32) size=4 ;; *16) size=2 ;; *) size=1 ;; esac
    seed "dtype-$dtype" "{\"a\":$(t $dtype 2,1 0,$((2 * size)))}" $((2 * size))
done
seed two "{\"b\":$(t F32 2 4,12),\"a\":$(t F16 1,2 0,4),\"__metadata__\":{\"format\":\"pt\",\"x\":\"y\"}}" 12
seed names "{\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u00e9\":$(t U8 1 0,1)}" 1
seed empty "{\"a\":$(t F32 0,3 0,0),\"b\":$(t F32 '' 0,4)}" 4
seed hole "{\"a\":$(t U8 1 0,1),\"b\":$(t U8 1 2,3)}" 3
seed overlap "{\"a\":$(t U8 2 0,2),\"b\":$(t U8 2 1,3)}" 3
seed behind "{\"a\":$(t U8 2 0,2)}" 3
seed cut "{\"a\":$(t U8 4 0,4)}" 3
seed lying "{\"a\":$(t F32 4 0,4)}" 4
seed overflow "{\"a\":$(t F64 4611686018427387904,4 0,0)}" 0
seed negative "{\"a\":$(t U8 -1 0,0)}" 0
seed dimensions "{\"a\":$(t U8 1,1,1,1,1,1,1,1,1 0,1)}" 1
seed twice "{\"a\":$(t U8 1 0,1),\"a\":$(t U8 1 0,1)}" 1
seed no-members '{"a":{}}' 0
seed backwards "{\"a\":$(t U8 1 1,0)}" 1
seed no-object '[1]' 0
printf 'PK\3\4and so on' >zip
printf '\x80\x02}q\0.' >pickle
printf '\377\377\377\377\377\377\377\377{}' >long
printf '\2\0\0' >short
