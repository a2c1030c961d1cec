#!/bin/bash
# Every option of tok stands in an example of its manual page, and man-examples.sh runs these.
. "$(dirname "$0")/init.sh"

tok --help | sed -nE 's/^ {2,6}(-[a-zA-Z], )?--([a-z0-9-]+).*/\2/p' | sort >options
awk '/^\.SH / { inside = /EXAMPLES/ } inside && /^\.EX/ { code = 1 } inside && code { print } /^\.EE/ { code = 0 }' \
    "$abs_top_srcdir/man/tok.1.in" | sed 's/\\-/-/g' >examples
# what all programs have is in lmutils(7)
for option in $(grep -vxE 'help|version|quiet|verbose|progress|generate' options); do
    letter=$(tok --help | sed -nE "s/^ {2,6}-([a-zA-Z]), --$option\b.*/\1/p")
    grep -qwE -e "--(no-)?$option" examples || { test -n "$letter" && grep -qE -e " -[a-zA-Z]*$letter\b" examples; } ||
        fail_ "no example has --$option"
done
