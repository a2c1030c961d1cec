#!/bin/bash
# The EXAMPLES of each manual page are run: all commands of a page one after the other in one directory.
#
# Commands stand between .EX and .EE. Comments for this test, in the page's source:
#   .\" setup: COMMAND      is run where it stands, unseen by the reader
#   .\" status: N           the next block ends with this exit status
#   .\" unrun: REASON       the next block is not run (it needs what no test machine has)
. "$(dirname "$0")/init.sh"

# Words for setup: little inputs.
make_news() { # FILE [ROWS]: csv with header, two classes that words tell apart
    awk -v rows="${2:-60}" 'BEGIN {
        print "label,text"
        split("the team won the match in the last minute|a late goal decided the cup final|the coach praised her players", sport, "|")
        split("shares fell as the bank raised rates|the company reported higher profit|investors sold bonds after the report", trade, "|")
        for (i = 0; i < rows; i++)
            print (i % 2 ? "business," trade[i % 3 + 1] : "sport," sport[i % 3 + 1]) " on day " i
    }' >"$1"
}

make_tokenizer() { # DIR: WordPiece with a small vocabulary
    mkdir -p "$1"
    {
        printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'
        printf '%s\n' {a..z} '##'{a..z} {0..9} '##'{0..9} the team won match goal cup final coach shares bank rates \
            company profit investors bonds report on day
    } >"$1/vocab.txt"
}

# The commands of a page as a bash script.
script_of() {
    awk '
        /^\.SH / { inside = /EXAMPLES/; next }
        !inside { next }
        /^\.\\" setup: / { sub(/^\.\\" setup: /, ""); print; next }
        /^\.\\" status: / { status = $3; next }
        /^\.\\" unrun: / { unrun = 1; next }
        /^\.EX/ { code = 1; block = ""; next }
        /^\.EE/ {
            code = 0
            if (unrun) unrun = 0
            else if (status) printf "status=0\n(\nset -e -o pipefail\n%s) || status=$?\ntest $status = %d\n", block, status
            else printf "%s", block
            status = 0
            next
        }
        code {
            gsub(/\\-/, "-"); gsub(/\\(e|\(rs)/, "\\"); gsub(/\\\(aq/, "\047"); gsub(/\\\(ha/, "^"); gsub(/\\&/, ""); gsub(/\\\(dq/, "\"")
            gsub(/\\f[BIR]/, "")
            block = block $0 "\n"
        }' "$1"
}

ran=0
for page in "$abs_top_srcdir"/man/*.[157].in; do
    name=$(basename "$page" .in)
    script_of "$page" >script
    grep -q '[^[:space:]]' script || continue
    mkdir "$name"
    (
        cd "$name"
        {
            echo "set -e -o pipefail"
            declare -f make_news make_tokenizer
            echo "set -v"
            cat ../script
        } >../"$name.sh"
        bash ../"$name.sh" >../"$name.out" 2>&1 </dev/null
    ) || {
        tail -n 25 "$name.out" >&2
        fail_ "an example of $name fails"
    }
    ran=$((ran + 1))
done
test "$ran" -gt 0 || fail_ "no page has examples"
echo "examples of $ran pages run"
