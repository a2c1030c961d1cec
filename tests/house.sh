#!/bin/bash
# The rules of the house (HACKING.md): floors, sizes of files, words that have no place in a finished work.
set -u
: "${abs_top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
cd "$abs_top_srcdir" || exit 99
bad=0
say() {
    echo "$*"
    bad=1
}

# ---- a floor includes only itself and the floors before it in this list; kernels, of those, base and tensor
floors="base tensor stream text kernels graph model metrics train generate align augment"
allowed=
for floor in $floors; do
    allowed="$allowed $floor"
    reach=$allowed
    test "$floor" = kernels && reach="base tensor kernels"
    case $floor in graph | model | metrics | train | generate | align | augment) reach="$reach lmutils" ;; esac
    for file in "libshared/$floor"/*.[ch] "libshared/$floor"/*/*.[ch]; do
        test -e "$file" || continue
        while IFS=: read -r line included; do
            case " $reach " in
            *" ${included%%/*} "*) ;;
            *) case $included in
                */*) say "$file:$line: $included is above this floor" ;;
                config.h) ;;
                *) say "$file:$line: \"$included\": give the floor, as in \"$floor/$included\"" ;;
                esac ;;
            esac
        done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" |
            sed -E 's/^([0-9]+):[^"]*"([^"]*)".*/\1:\2/')
    done
done
# a plugin knows its one header
for file in plugins/*.c; do
    grep -nE '#[[:space:]]*include[[:space:]]*"' "$file" | grep -v '"lmutils/plugin\.h"' &&
        say "$file: a plugin includes lmutils/plugin.h alone"
done

# ---- sizes
while read -r lines file; do
    test "$lines" -le 800 || say "$file: $lines lines, 800 are the limit"
    case $file in
    tools/*) test "$lines" -lt 300 || say "$file: $lines lines; a tool has fewer than 300: what it does belongs in a floor" ;;
    esac
done < <(find libshared plugins tools tests examples -name '*.[ch]' -exec awk 'END { print NR, FILENAME }' {} \;)

# ---- words, and white space
sources() {
    find libshared plugins tools tests examples man completions \( -name '*.[ch]' -o -name '*.sh' -o -name '*.mk' \
        -o -name '*.in' -o -name run -o -name quickstart -o -name step -o -name '*table' -o -name '*.awk' -o -name tasks -o -name bench -o -path 'examples/*/Makefile' \) \
        -type f
    ls README.md MEASUREMENTS.md HACKING.md configure.ac Makefile.am 2>/dev/null
}
sources | xargs grep -nE '^(<{7}|={7}|>{7})( |$)' && say "above: two versions of one place"
marks='TO''DO|FIX''ME|X''XX'
sources | xargs grep -nE "\\b($marks)\\b" && say "above: unfinished work is not landed"
sources | xargs grep -nE '(^|[^[:alnum:]_.$}*/~-])/(home|root|work|Users)/' && say "above: a path of somebody's machine"
sources | xargs grep -nE '[[:blank:]]+$' | grep -v '^man/' && say "above: white space at the end of a line"
sources | grep '\.[ch]$' | xargs grep -nP '^\t' && say "above: a tab"
sources | grep '\.[ch]$' | xargs awk 'length($0) > 140 { print FILENAME ":" FNR; long = 1 } END { exit !long }' &&
    say "above: a line of more than 140 columns"

# ---- every test is run
for file in tests/pipelines/*.sh; do
    case $file in */init.sh) continue ;; esac
    grep -q "	$file\\b" tests/tests.mk || say "$file: is not in tests/tests.mk"
done

# ---- where these are not what was expected, bash goes on (set -e): say `! a || fail_ ...`, and `a` and `b` on lines of their own
grep -nE '^[[:space:]]*(! |(test|grep|cmp|diff) .* && (test|grep|cmp|diff|!) )' tests/pipelines/*.sh | grep -vE '\|\|' &&
    say "above: a check that cannot fail"

# ---- symbols of the library begin with lm_
library=${abs_top_builddir:-.}/.libs/liblmutils.so
if test -e "$library" && command -v nm >/dev/null; then
    nm -D --defined-only "$library" | awk '$3 !~ /^(lm_|LMUTILS_|__|_init$|_fini$|_edata$|_end$|_bss_start)/ { print $3; other = 1 }
        END { exit !other }' && say "above: public symbols begin with lm_"
fi

test $bad = 0 && echo "PASS: house"
exit $bad
