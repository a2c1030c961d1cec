#!/bin/bash
# Line coverage of parsers by a fuzz corpus: coverage.sh SRCDIR NAME "FILE.c ..." in a build directory with
# fuzz-corpus/NAME and fuzz-corpus/NAME-seeds. Fails below 90 %. CC, FLAGS and LIBS come from the Makefile.
set -e -u -o pipefail
src=$1 name=$2 parsers=$3
out=fuzz-corpus/coverage-$name
mkdir -p "$out" "fuzz-corpus/$name"
# whole floors in one program of its own, without sanitizers
flags=$(printf '%s\n' $FLAGS | grep -v -e '^-fsanitize' -e '^-fno-sanitize' | xargs)
floor=${FLOOR:-stream}
$CC -O1 -g -fprofile-instr-generate -fcoverage-mapping $flags \
    "$src"/libshared/base/*.c "$src"/libshared/tensor/*.c "$src"/libshared/stream/*.c ${MORE:-} \
    "$src/tests/fuzz/fuzz_$name.c" "$src/tests/fuzz/replay.c" -o "$out/replay" $LIBS -lm
LLVM_PROFILE_FILE=$out/raw "$out/replay" 0 "fuzz-corpus/$name" "fuzz-corpus/$name-seeds"
llvm-profdata merge -o "$out/data" "$out/raw"
files=()
for file in $parsers; do files+=("$src/libshared/$floor/$file"); done
llvm-cov report "$out/replay" -instr-profile="$out/data" "${files[@]}" | tee "$out/report"
llvm-cov show "$out/replay" -instr-profile="$out/data" "${files[@]}" >"$out/lines"
# columns: file, regions x3, functions x3, lines, missed, share
awk '/^TOTAL/ { share = $10; sub(/%/, "", share); exit !(share >= 90) }' "$out/report" ||
    { echo "coverage.sh: less than 90 % of the lines of the parsers: see $out/lines"; exit 1; }
