# shellcheck shell=bash disable=SC2086
# What every pipeline test begins with: `. "$(dirname "$0")/init.sh"`. Run by make check, or by hand in a build directory:
#     bash ../tests/pipelines/tok-basic.sh
#
# A test is a bash script that runs the built programs in an empty directory of its own, which is removed at its end
# (KEEP=1 keeps it). It fails at the first command that fails (set -e, pipefail), or says what went wrong with fail_.
#
#   returns_ STATUS COMMAND...   fails unless the command exits with STATUS
#   refuses_ STATUS TEXT COMMAND...   the same, and its standard error (kept in the file err) must hold TEXT
#   compare_ EXPECTED ACTUAL     fails unless the files are the same, and shows the difference
#   same_ EXPECTED ACTUAL        the same for strings
#   needs_data_ PATH...          skips where there are no reference data ($LMUTILS_TESTDATA); where there are, each
#                                of the paths in it must exist. $data is that directory
#   needs_program_ NAME...       skips where a program of the system's is missing
#   fail_ TEXT, skip_ TEXT       end the test. With reference data at hand a skip is a failure

set -e -u -o pipefail

: "${abs_top_builddir:=$PWD}"
: "${abs_top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
export abs_top_builddir abs_top_srcdir

# Nothing hangs: the whole test is ended after some minutes.
if test -z "${LM_TEST_TIMED:-}"; then
    LM_TEST_TIMED=1 exec timeout -k 10 "${LMUTILS_TEST_TIMEOUT:-600}" bash "$0" "$@"
fi
unset LM_TEST_TIMED

test_name=$(basename "$0" .sh)

# The built programs themselves rather than libtool's wrappers, which are shell scripts: what is tested is also what
# happens to closed descriptors and signals.
test -x "$abs_top_builddir/.libs/tok" || test -x "$abs_top_builddir/.libs/lms" ||
    { test -n "${LMUTILS_INSTALLED:-}" || { echo "$test_name: no programs in $abs_top_builddir: run it there"; exit 99; }; }
if test -z "${LMUTILS_INSTALLED:-}"; then # else the programs are in PATH, the plugins where they are installed
    PATH=$abs_top_builddir/.libs:$PATH
    LD_LIBRARY_PATH=$abs_top_builddir/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    LMUTILS_PLUGIN_PATH=$abs_top_builddir/plugins/.libs
    export PATH LD_LIBRARY_PATH LMUTILS_PLUGIN_PATH
fi
export LC_ALL=C.UTF-8
export LMUTILS_CACHE= # nothing of a test stays behind
export OMP_WAIT_POLICY=passive # threads that wait by spinning would slow down the tests beside this one
unset COLUMNS OMP_NUM_THREADS || :

data=${LMUTILS_TESTDATA:-}
if test -n "$data"; then
    data=$(cd "$data" && pwd) || { echo "$test_name: LMUTILS_TESTDATA=$LMUTILS_TESTDATA is no directory"; exit 99; }
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/lmutils-$test_name-XXXXXX")
finish_() {
    status=$?
    trap - EXIT
    cd /
    # what still runs in the background was forgotten by the test
    jobs=$(jobs -p)
    test -z "$jobs" || kill $jobs 2>/dev/null || :
    if test -n "${KEEP:-}"; then
        echo "$test_name: kept $work"
    else
        chmod -R u+rwX "$work" && rm -rf "$work"
    fi
    case $status in
    0) echo "PASS: $test_name" ;;
    77) ;;
    *) echo "FAIL: $test_name (status $status)" ;;
    esac
    exit "$status"
}
trap finish_ EXIT
trap 'echo "$test_name:$LINENO: failed: $BASH_COMMAND" >&2' ERR
set -o errtrace
cd "$work"

fail_() {
    echo "$test_name:${BASH_LINENO[0]}: $*" >&2
    trap - ERR
    exit 1
}

skip_() {
    trap - ERR
    if test -n "$data"; then
        echo "$test_name: would skip ($*), but there are reference data: a failure" >&2
        exit 1
    fi
    echo "SKIP: $test_name: $*"
    exit 77
}

needs_data_() {
    test -n "$data" || skip_ "no reference data (LMUTILS_TESTDATA)"
    local path
    for path; do
        test -e "$data/$path" || fail_ "$data/$path is missing"
    done
}

needs_program_() {
    local program
    for program; do
        command -v "$program" >/dev/null || skip_ "no $program"
    done
}

returns_() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    test "$status" = "$expected" || {
        test ! -s err || sed 's/^/    /' err >&2
        fail_ "line ${BASH_LINENO[0]}: exit status $status, not $expected: $*"
    }
}

refuses_() {
    local expected=$1 text=$2 status=0
    shift 2
    "$@" 2>err || status=$?
    test "$status" = "$expected" || {
        sed 's/^/    /' err >&2
        fail_ "line ${BASH_LINENO[0]}: exit status $status, not $expected: $*"
    }
    grep -qF -e "$text" err || {
        sed 's/^/    /' err >&2
        fail_ "line ${BASH_LINENO[0]}: the message above lacks '$text': $*"
    }
}

compare_() {
    cmp -s "$1" "$2" || {
        diff -u "$1" "$2" | head -n 40 >&2 || :
        fail_ "line ${BASH_LINENO[0]}: $1 and $2 differ"
    }
}

same_() {
    test "$1" = "$2" || fail_ "line ${BASH_LINENO[0]}: '$2' instead of '$1'"
}
