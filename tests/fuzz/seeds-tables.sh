#!/bin/bash
# Makes the seeds of fuzz_tables in the directory $1: a good file, and files with a fault each.
set -e -u
. "$(dirname "$0")/numbers.inc"
mkdir -p "$1"
cd "$1"
# tables FILE SIZE "LENGTHS" TEXT "TOKENS" "SLOTS" "MERGES" "SCORES" REST: arrays of 32-bit numbers, scores of 64-bit ones
tables() {
    local file=$1 array
    printf '%b' "lmutils tables 1$(int 4 16909060 "$2")$(int 8 1 2 0)$(int 8 $3)" >"$file"
    for array in "$4" "$(int 4 $5)" "$(int 4 $6)" "$(int 4 $7)" "$(int 8 $8)" "$9"; do
        truncate -s %64 "$file"
        printf '%b' "$array" >>"$file"
    done
}
tables good 3 '4 3 8 1 3 2' aabb '0 1 2 1 1 2' '0 0 0 -1 1 1 0 -1 0 -1 2 2 0 -1 0 -1' '0 1' '0 0 0' '{}'
tables bare 1 '1 1 2 0 0 0' a '0 1' '0 0 0 -1' '' '' ''
tables holes 3 '1 3 4 0 0 0' a '0 -1 0 1 0 -1' '0 1 0 -1 0 -1 0 -1' '' '' ''
tables full 1 '1 1 2 0 0 0' a '0 1' '0 0 0 0' '' '' ''
tables beyond 1 '1 1 2 0 0 0' a '4294967295 1' '0 0 0 -1' '' '' ''
tables long 1 '1 1 2 0 0 0' a '0 2147483647' '0 0 0 -1' '' '' ''
tables slot 1 '1 1 2 0 0 0' a '0 1' '0 7 0 -1' '' '' ''
tables merge 1 '1 1 2 1 0 0' a '0 1' '0 0 0 -1' '0 -5' '' ''
tables uneven 1 '1 1 3 0 0 0' a '0 1' '0 0 0 -1 0 -1' '' '' ''
tables huge 1 '1 1 4611686018427387905 0 0 0' a '0 1' '0 0 0 -1' '' '' ''
tables nothing 0 '0 0 0 0 0 0' '' '' '' '' '' ''
: >empty
