#!/bin/bash
# Makes the seeds of fuzz_imatrix in the directory $1: both forms, and files with a fault each.
set -e -u
. "$(dirname "$0")/numbers.inc"
mkdir -p "$1"
cd "$1"
one=1065353216 half=1056964608
entry() { # NAME CALLS FLOATS...
    printf '%s' "$(int 4 ${#1})$1$(int 4 "$2" $(($# - 2)))"
    shift 2
    int 4 "$@"
}
printf '%b' "$(int 4 2)$(entry blk.1.w 3 $one $half)$(entry blk.0.w 3 0 $one $one)$(int 4 7 5)a.txt" >dat
printf '%b' "$(int 4 1)$(entry w 1 $one)" >short
printf '%b' "$(int 4 2)$(entry w 1 $one)$(entry w 1 $one)" >twice
printf '%b' "$(int 4 1)$(entry w 0 $one)" >no-calls
printf '%b' "$(int 4 1)$(entry w 1 $((one | 1 << 31)))" >negative
printf '%b' "$(int 4 1)$(entry w 1 2139095040)" >infinite
printf '%b' "$(int 4 1)$(entry w -1 $one)" >negative-calls
printf '%b' "$(int 4 1)$(entry '' 1 $one)" >no-name
printf '%b' "$(int 4 1 1)w$(int 4 1 2147483647)" >large
printf '%b' "$(int 4 2147483647)$(entry w 1 $one)" >many
printf '%b' "$(int 4 0)" >none
: >empty

string() { # TEXT
    printf '%s%s' "$(int 8 ${#1})" "$1"
}
tensor() { # NAME COLUMNS TYPE OFFSET
    printf '%s' "$(string "$1")$(int 4 2)$(int 8 "$2" 1)$(int 4 "$3")$(int 8 "$4")"
}
gguf() { # FILE TYPE TENSORS... : each of 32 bytes
    local file=$1 type=$2 n=$(($# - 2)) all=
    shift 2
    for t; do all+=$t; done
    printf '%b' "GGUF$(int 4 3)$(int 8 "$n" 4)$(string general.type)$(int 4 8)$(string "$type")$(
        string imatrix.datasets)$(int 4 9 8)$(int 8 1)$(string b.txt)$(string imatrix.chunk_count)$(int 4 4 9)$(
        string imatrix.chunk_size)$(int 4 4 512)$all" >"$file"
    truncate -s %32 "$file"
    for ((i = 0; i < n; i++)); do printf '%b' "$(int 4 $one 0 0 0 0 0 0 0)" >>"$file"; done
}
gguf gguf imatrix "$(tensor w.in_sum2 3 0 0)" "$(tensor w.counts 1 0 32)" "$(tensor w.in_sum 3 0 64)"
gguf experts imatrix "$(tensor w.in_sum2 3 0 0)" "$(tensor w.counts 2 0 32)"
gguf no-counts imatrix "$(tensor w.in_sum2 3 0 0)"
gguf half imatrix "$(tensor w.in_sum2 3 1 0)" "$(tensor w.counts 1 0 32)"
gguf other imatrix "$(tensor w.in_sum2 3 0 0)" "$(tensor w.counts 1 0 32)" "$(tensor w 3 0 64)"
gguf model model "$(tensor w.in_sum2 3 0 0)" "$(tensor w.counts 1 0 32)"
gguf nothing imatrix
