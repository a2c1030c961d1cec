#!/bin/bash
# What every program does alike: options, help, versions, closed and full outputs. All of it comes from base/.
. "$(dirname "$0")/init.sh"

for program in ${lm_programs:?run by make check}; do
    # help and version, and that nothing else is on standard error
    "$program" --help >help 2>err || fail_ "$program --help"
    "$program" -h >help2
    compare_ help help2
    test ! -s err || fail_ "$program --help writes on standard error"
    grep -q '^Usage: '"$program"' ' help || fail_ "$program --help has no usage"
    grep -q '^Examples:' help || fail_ "$program --help teaches by no example"
    "$program" --version >version
    grep -qE "^$program \(lmutils\) [0-9]+\.[0-9]+" version || fail_ "$program --version: $(cat version)"
    COLUMNS=60 "$program" --help | awk 'length($0) > 100 { exit 1 }' || fail_ "$program --help does not wrap"

    # whatever option is in --help is in the completions and in the page, and the other way round
    sed -nE 's/^ {2,6}(-[a-zA-Z0-9], )?--([a-z0-9-]+).*/\2/p' help | sort >named
    test -s named || fail_ "$program --help names no options"
    page=$abs_top_builddir/man/$program.1
    test -s "$page" || fail_ "$page was not built"
    for option in $(cat named); do
        roff=${option//-/\\\\-}
        grep -qe "^\(.*, \)\?\\\\fB\\\\-\\\\-$roff\\\\fR" "$page" || fail_ "$program.1 lacks --$option"
    done
    "$program" --generate=bash >bash-completion
    "$program" --generate=zsh >zsh-completion
    "$program" --generate=fish >fish-completion
    for option in $(cat named); do
        grep -qwe "--$option" bash-completion || fail_ "bash completion of $program lacks --$option"
        grep -qe "--$option[=['}]" zsh-completion || fail_ "zsh completion of $program lacks --$option"
        grep -qe " -l $option\\b" fish-completion || fail_ "fish completion of $program lacks --$option"
    done
    compare_ bash-completion "$abs_top_builddir/completions/bash/$program"
    bash -n bash-completion
    ! command -v zsh >/dev/null || zsh -n zsh-completion
    ! command -v fish >/dev/null || fish -n fish-completion

    # completion as bash would ask for it
    mkdir -p into/dir
    : >into/file.csv
    (
        set +eu
        . ./bash-completion
        compopt() { :; }
        COMP_WORDS=("$program" --progress a) COMP_CWORD=2
        _lmutils_"$program"
        test "${COMPREPLY[*]}" = "auto always" || fail_ "completing --progress a: ${COMPREPLY[*]}"
        COMP_WORDS=("$program" --progress = ne) COMP_CWORD=3
        _lmutils_"$program"
        test "${COMPREPLY[*]}" = never || fail_ "completing --progress=ne: ${COMPREPLY[*]}"
        COMP_WORDS=("$program" --vers) COMP_CWORD=1
        _lmutils_"$program"
        test "${COMPREPLY[*]}" = --version || fail_ "completing --vers: ${COMPREPLY[*]}"
        COMP_WORDS=("$program" into/) COMP_CWORD=1
        _lmutils_"$program"
        test "${COMPREPLY[*]}" = "into/dir into/file.csv" || test "${COMPREPLY[*]}" = "into/file.csv into/dir" ||
            fail_ "completing into/: ${COMPREPLY[*]}"
    )

    # mistakes are usage, and say what to do
    refuses_ 2 "$program: unknown option --verbsoe: did you mean --verbose?" "$program" --verbsoe </dev/null
    refuses_ 2 "did you mean --progress?" "$program" --porgress=never </dev/null
    refuses_ 2 "$program: unknown option -Z: see $program --help" "$program" -Z </dev/null
    refuses_ 2 "option --progress needs a value" "$program" --progress </dev/null
    refuses_ 2 "'sometimes' is none of auto, always, never" "$program" --progress sometimes </dev/null
    test "$(wc -l <err)" = 1 || fail_ "$program: a message is one line"
    # hyphens and underscores, prefixes, the end of options
    "$program" --progress=never --vers >version2
    compare_ version version2

    # outputs that cannot be written
    test -c /dev/full && refuses_ 1 "$program: standard output: cannot be written" bash -c "$program --help >/dev/full"
    refuses_ 1 "$program: standard output: cannot be written" bash -c "$program --help >&-"
    # a reader that has gone is no failure worth a message: 141, whether SIGPIPE was ignored or not
    for trap in 'trap - PIPE' 'trap "" PIPE'; do
        status=$(bash -c "$trap; { $program --help; echo \$? >&3; } 2>err | sleep 0.0" 3>&1)
        case $status in 0 | 141) ;; *) fail_ "$program: exit status $status for a reader that has gone" ;; esac
        test ! -s err || fail_ "$program: says something when its reader has gone: $(cat err)"
    done
done

# nobody waits for BLAS before something is multiplied
module=$abs_top_builddir/.libs/liblmutils-blas.so
if test -e "$module" && command -v ldd >/dev/null; then
    ldd "$module" | grep -q blas || fail_ "$module is linked with no BLAS"
    ldd "$abs_top_builddir/.libs/tok" >libraries
    grep -q liblmutils libraries || fail_ "tok is linked without liblmutils"
    ! grep blas libraries || fail_ "tok is linked with BLAS"
fi

# the pages pass mandoc's and groff's own checks
if command -v mandoc >/dev/null; then
    for page in "$abs_top_builddir"/man/*.[157]; do
        mandoc -T lint -W warning "$page" >lint || { cat lint; fail_ "$page"; }
    done
fi
if command -v man >/dev/null; then
    for page in "$abs_top_builddir"/man/*.[157]; do
        MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null | sed "s|^|$page: |" >warnings
        test ! -s warnings || { cat warnings; fail_ "$page"; }
    done
fi
