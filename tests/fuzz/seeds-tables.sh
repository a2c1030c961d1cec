#!/bin/bash
# Makes the seeds of fuzz_tables in the directory $1: good files, and such with some numbers of their headers and tables changed.
set -e -u
. "$(dirname "$0")/numbers.inc"
mkdir -p "$1"
cd "$1"
for kind in 0 1 2 3 4; do
    printf '%b' "$(int 1 $kind)" >"good-$kind"
    for at in 16 32 48 56 64 72 80 120 216 224 300 400 1000 2000 5000; do
        printf '%b' "$(int 1 $kind)$(int 4 $at)$(int 1 255)$(int 4 $((at + 9)))$(int 1 0)" >"changed-$kind-$at"
    done
done
: >empty
