#!/bin/bash
# quant on damaged models, a full disk, in the midst of which it is killed; and how much memory it takes.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/fault-common.inc"
tiny_
pretrain -q -a llama --tokenizer vocab --layers 2 --width 64 --heads 4 --inner 128 --max-length 64 --max-steps 2 -o story news.lms
quant -q -t f32 -m story -o story.gguf

# ---- a weight that is no number is named, and nothing appears
poisoned_() { # BYTES: the last four of the file, of a weight in model.layers.1
    cp -r story bad
    head -c -4 story/model.safetensors >bad/model.safetensors
    printf "$1" >>bad/model.safetensors
}
for value in '\0\0\300\177:NaN' '\0\0\200\377:an infinity'; do
    poisoned_ "${value%%:*}"
    for how in "-t q8_0 -o x.gguf" "-t q4_k_m -o x.gguf" "-t nf4 -o x" "-t f16 -o x" "-t q8_0 -o x.lms" "-t f32 -o x.gguf"; do
        refuses_ 1 "holds ${value#*:} at [" quant $how -m bad
        grep -q 'model\.[a-z0-9_.]*: holds' err || fail_ "no tensor is named: $(cat err)"
    done
    rm -r bad
done
# and one that half precision does not hold
poisoned_ '\0\044\164\111' # 1e6
refuses_ 1 'too large for F16' quant -t f16 -m bad -o x
quant -q -t bf16 -m bad -o large
head -c -1024 story/model.safetensors >bad/model.safetensors
for i in $(seq 256); do printf '\0\0\177\177'; done >>bad/model.safetensors # 3e38, of which no sum is a float
refuses_ 1 'scales are too large for --double-quant' quant -t nf4 --double-quant -m bad -o x
ls -A | grep -E '^\.?x' && fail_ "something is left"

# ---- cut and lying files
size=$(stat -c %s story.gguf)
for at in 3 20 100 1000 $((size / 2)) $((size - 1)); do
    head -c "$at" story.gguf >cut.gguf
    returns_ 1 quant -t q8_0 -m cut.gguf -o x.gguf 2>err
done
quant -q -t q8_0 -m story -o whole.lms
head -c 20000 whole.lms >cut.lms
returns_ 3 quant -t q4_0 -m cut.lms -o x.gguf 2>err
returns_ 3 quant -t q4_0 -m - -o x.gguf <cut.lms 2>err
ls -A | grep -E '^\.?x' && fail_ "something is left"

# ---- the old output stays until the new one is whole
if test -e /dev/full; then
    returns_ 1 quant -q -t q8_0 -m story --to gguf -o /dev/full 2>err
    returns_ 1 quant -q -t q8_0 -m story -o - >/dev/full 2>err
fi
faults=$abs_top_builddir/tests/faults/.libs/faults.so
sanitized=$(sed -n 's/^LM_CFLAGS = .*\(-fsanitize=[^ ]*\).*/\1/p' "$abs_top_builddir/Makefile")
contents_() { # PATH: what is in it
    find "$1" -type f -exec cat {} + | cksum
}
if test -e "$faults" && test -z "$sanitized"; then # a preloaded library and a sanitizer do not go together
    for how in "-t q4_0 -o out.gguf" "-t nf4 -o out" "-t f16 -o out.tar"; do
        out=${how##* }
        quant -q -t f32 -m story -o $out
        before=$(contents_ $out)
        for fault in kill full; do
            for n in 1 2 3 5 8 13; do
                status=0
                { env LD_PRELOAD="$faults" LMUTILS_FAULT=$fault:$n quant -q $how -m story 2>err || status=$?; } 2>killed
                if test $status = 0 || test "$before" != "$(contents_ $out)"; then
                    lms --check -m $out >/dev/null # it is the new one, and whole
                    break
                fi
            done
            quant -q -t f32 -m story -o $out
        done
    done
fi

# ---- from a pipe to a pipe there is one pass, and no file in which the stream is kept
same_numbers_() { # A B
    for one in "$1" "$2"; do
        rm -rf $one-floats
        quant -q --dequantize -m $one -o $one-floats
    done
    cmp "$1-floats/model.safetensors" "$2-floats/model.safetensors"
}
for how in "-t q8_0" "-t q8_0 --to gguf" "-t f16" "-t nf4 --double-quant" "--dequantize"; do
    lms -q -m story | TMPDIR=/nowhere quant -q $how -m - | cat >piped
    quant -q $how -m story >straight
    same_numbers_ piped straight
done
for how in "-t q4_0 -o there.gguf" "-t int8 -o there" "--inspect --tsv" "--plan -t q4_k_m -o x.gguf"; do
    lms -q -m story | TMPDIR=/nowhere quant -q $how -m - >/dev/null 2>err || fail_ "$how: $(cat err)"
done
quant -q -t int8 -m story -o straight-directory
cmp there/model.safetensors straight-directory/model.safetensors
# where all is looked at before the first is made, and where several tensors are one, it is kept
TMPDIR=/nowhere refuses_ 1 'TMPDIR' quant -q --target-size 200k -m - -o x.gguf < <(lms -q -m story)
quant -q -t nf4 -m story -o four
TMPDIR=/nowhere refuses_ 1 'TMPDIR' quant -q --dequantize -m - -o x < <(lms -q -m four)
lms -q -m four | quant -q --dequantize -m - >piped
quant -q --dequantize -m four >straight
same_numbers_ piped straight
# a stream that is cut or damaged makes no model, and one that goes on ends as it did
lms -q -m story -o story.lms
for at in 60 5000 $(($(stat -c %s story.lms) / 2)) $(($(stat -c %s story.lms) - 64)); do
    for how in "-t q8_0 -o x.gguf" "-t f16 -o x" "-t q8_0 -o x.lms" "--inspect" "--plan -t q8_0 -o x.gguf"; do
        head -c "$at" story.lms | returns_ 3 quant -q $how -m - >said 2>err
        test ! -s said || fail_ "$how: something is said of a part: $(cat said)"
    done
    { head -c "$at" story.lms | quant -q -t q8_0 -m - || :; } 2>err >said
    test ! -s said || returns_ 3 quant -q --inspect said >/dev/null 2>err
done
{ head -c -1000 story.lms; printf 'X'; tail -c 999 story.lms; } >damaged.lms
for how in "-t q8_0 -o x.gguf" "-t f16 -o x" "-t q8_0 -o x.lms" "--inspect"; do
    refuses_ 1 'is damaged' quant -q $how -m - < <(cat damaged.lms)
done
ls -A | grep -E '^\.?x' && fail_ "something is left"

# ---- memory is that of some rows, not of the model
head -n 3 news.csv | tok -q -m vocab >few.lms
pretrain -q -a llama --tokenizer vocab --layers 12 --width 512 --heads 4 --inner 1024 --max-length 64 --max-steps 1 -o big few.lms
most_of() { # COMMAND: its largest resident set, in kilobytes
    local pid most=0 now
    "$@" &
    pid=$!
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && test -n "$now"; do
        most=$now
        sleep 0.01
    done
    wait $pid
    echo "$most"
}
if test -z "$sanitized"; then
    kilobytes=$(($(stat -c %s big/model.safetensors) / 1024))
    test $kilobytes -gt 90000 || fail_ "the model is too small to show anything: $kilobytes kB"
    for how in "-t q8_0 -o big.gguf" "-t q4_k_m -o big.gguf" "-t nf4 -o big4"; do
        most=$(most_of quant -q -j2 $how -m big)
        test "$most" -lt 40000 || fail_ "$most kB for: $how"
    done
    lms -q -m big -o - | { most_of quant -q -j2 -t q8_0 -m - -o big.lms >most; }
    test "$(cat most)" -lt 40000 || fail_ "$(cat most) kB from a pipe"
    pretrain -q -a llama --tokenizer vocab --layers 1 --width 512 --heads 4 --inner 24576 --max-length 64 --max-steps 1 -o wide few.lms
    lms -q -m wide -o - | { most_of quant -q -j2 -t q8_0 -m - -o wide.lms >most; } # tensors of 48 MB
    test "$(cat most)" -lt $(((48 + 32) * 1024)) || fail_ "$(cat most) kB from a pipe with tensors of 48 MB"

    # and whoever computes with the file has it in memory as it is
    quant -q -t q4_0 -m big -o big.gguf
    most=$(most_of score -q -j1 -m big.gguf -o scores few.lms)
    test "$most" -lt $((kilobytes / 2)) || fail_ "$most kB to compute with a file of $(stat -c %s big.gguf) bytes"
fi
