#!/bin/sh
# Makes a manual page: page.sh IN OUT VERSION DATE [PROGRAM...]
#
# In IN, lines that are exactly one of these are replaced by what the programs print of their option tables:
#   @SYNOPSIS@  the forms of the command     @OPTIONS@  every option with its default
#   @ALIASES@   the other spellings that all the programs accept, as a table
# and @VERSION@, @DATE@ and @PURPOSE@ (the program's one line) are replaced within lines.
set -e
in=$1 out=$2 version=$3 date=$4
shift 4
work=$out.tmp
trap 'rm -f "$work" "$work.synopsis" "$work.options" "$work.aliases"' EXIT
: >"$work.synopsis"
: >"$work.options"
: >"$work.aliases"
purpose=
if test $# -ge 1; then
    "$1" --generate=man-synopsis >"$work.synopsis"
    "$1" --generate=man-options >"$work.options"
    purpose=$("$1" --generate=purpose)
    for program; do
        "$program" --generate=aliases >"$work"
        cat "$work" >>"$work.aliases"
    done
fi
# one row for each alias, with all the programs that know it, in tbl(1)'s language
LC_ALL=C sort "$work.aliases" | awk -F '\t' '
    function row() { if (key != "") print name "\t" option "\tT{\n.na\n.nh\n" programs "\nT}" }
    { gsub(/-/, "\\-", $1); gsub(/-/, "\\-", $2) }
    $1 FS $2 != key { row(); key = $1 FS $2; name = $1; option = $2; programs = $3; next }
    { programs = programs ", " $3 }
    END { row() }' >"$work"
mv "$work" "$work.aliases"

sed -e "/^@SYNOPSIS@\$/{
r $work.synopsis
d
}" -e "/^@OPTIONS@\$/{
r $work.options
d
}" -e "/^@ALIASES@\$/{
r $work.aliases
d
}" -e "s/@VERSION@/$version/g" -e "s/@DATE@/$date/g" -e "s|@PURPOSE@|$purpose|g" "$in" >"$work"
mv "$work" "$out"
