#!/bin/bash
# The seeds of every fuzzer, and mutations of each, through its target: nothing crashes.
. "$(dirname "$0")/../pipelines/init.sh"
for name in ${fuzz_names:?run by make check}; do
    bash "$abs_top_srcdir/tests/fuzz/seeds-$name.sh" "$PWD/$name"
    "$abs_top_builddir/tests/fuzz/replay_$name" "${fuzz_mutations:-100}" "$name" || fail_ "$name: see above"
done
