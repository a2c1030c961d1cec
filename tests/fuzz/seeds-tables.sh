#!/bin/bash
# Makes the seeds of fuzz_tables in the directory $1: a good file, and files with a fault each.
set -e -u
. "$(dirname "$0")/numbers.inc"
mkdir -p "$1"
cd "$1"
# tables FILE SIZE "LENGTHS" ARRAY...: the arrays of table_cache.c, texts as they are, numbers with their width before them
tables() {
    local file=$1 array
    printf '%b' "lmutils tables 4$(int 4 16909060 "$2")$(int 8 1 2 0 3 4)$(int 8 $3)" >"$file"
    shift 3
    for array in "$@" $(for ((i = $#; i < 20; i++)); do echo none; done); do
        truncate -s %64 "$file"
        case $array in
        none) array= ;;
        1:* | 2:* | 4:* | 8:*) array=$(int "${array%%:*}" ${array#*:}) ;;
        esac
        printf '%b' "$array" >>"$file"
    done
}
slots='4:0 0 0 -1 1 1 0 -1 0 -1 2 2 0 -1 0 -1'
free='8:'$(for ((i = 0; i < 32; i++)); do printf '%s ' -4194304; done) # no token and no token
tags='1:'$(for ((i = 0; i < 32; i++)); do printf '0 '; done)
filled=${free//-4194304/1}
page='4:0 1 '$(for ((i = 2; i < 256; i++)); do printf '%s ' -1; done)
# bytes tokens slots merges scores | pairs tags merged pages chars crossings parts | nodes ids numbers their pages | added, their bytes |
# rest, added_tokens
tables good 3 '4 3 8 0 3 0 0 0 0 0 0 0 4 4 1 4352 0 0 2 0' aabb '4:0 1 2 1 1 2' "$slots" '' '8:0 0 0' '' '' '' '' '' '' '' \
    '4:-1 1 -1 0 0 2147483648 -1 0' '4:-1 -1 0 -1' "4:$(for ((i = 0; i < 256; i++)); do echo -n "$((i == 97)) "; done)" \
    "2:$(for ((i = 0; i < 4352; i++)); do echo -n '0 '; done)" '' '' '{}' ''
tables bpe 3 '4 3 8 0 0 32 32 1 1 1 64 0 0 0 0 0 1 1 2 2' aabb '4:0 1 2 1 1 2' "$slots" '' '' "$free" "$tags" '4:2' '4:0' "$page" \
    "8:$(for ((i = 0; i < 64; i++)); do printf '0 '; done)" '' '' '' '' '' '4:5 1 1 0' x '{}' '[]'
tables merge 1 '1 1 2 1 0 32 32 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1' '4:0 -5' '' "$free" "$tags" '' '' '' '' '' '' '' ''
tables unfound 1 '1 1 2 1 0 32 32 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1' '4:0 0' '' "$free" "$tags" '' '' '' '' '' '' '' ''
tables full 1 '1 1 2 0 0 32 32 1 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1' '' '' "${free//-4194304/0}" "1:${filled#8:}" '4:0' \
    '' '' '' '' '' '' ''
tables rank 1 '1 1 2 0 0 32 32 1 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1' '' '' "8:1 ${free#8:-4194304}" "1:1 ${tags#1:0}" '4:0' \
    '' '' '' '' '' '' ''
tables becomes 1 '1 1 2 0 0 32 32 1 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1' '' '' "$free" "$tags" '4:-1' '' '' '' '' '' '' ''
tables parts 1 '1 1 2 0 0 32 32 0 0 0 0 1 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1' '' '' "$free" "$tags" '' '' '' '' '4:0 0 0 1'
tables bare 1 '1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1'
tables holes 3 '1 3 4 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 -1 0 1 0 -1' '4:0 1 0 -1 0 -1 0 -1'
tables taken 1 '1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 0'
tables beyond 1 '1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:4294967295 1' '4:0 0 0 -1'
tables long 1 '1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 2147483647' '4:0 0 0 -1'
tables slot 1 '1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 7 0 -1'
tables uneven 1 '1 1 3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1 0 -1'
tables huge 1 '1 1 4611686018427387905 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' a '4:0 1' '4:0 0 0 -1'
tables added 1 '1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 2 2' a '4:0 1' '4:0 0 0 -1' '' '' '' '' '' '' '' '' '' '' '' '' '' '4:0 9 0 0' x '{}' '[]'
tables nothing 0 '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'
: >empty
