#!/bin/bash
# Seeds of fuzz_rules: seeds-rules.sh DIR. Rules, NUL, a text.
set -e -u
mkdir -p "$1"
cd "$1"
printf 's/(\\w+) (?<b>\\w+)/$2 \\1 ${b} $& \\U$1\\E \\x{AC00}/gi # swapped\r\ny/a-zé/A-ZÉ/\ndrop-if |spam\\||ms\n\0Hello brave, world. spam| ok' >all
printf '\xef\xbb\xbftitle: s,^\\s*,,\ntext: keep-if /\\p{Hangul}{2,}/x\n\0  서울은 한국의 수도이다. ㅋㅋㅋㅋ' >fields
printf 's/(a+)+[bc]/x/g\n\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' >slow
printf 's/x*/-/g\ns/$/\\n/\ns/a\\Kb//g\n\0axb ab abab' >empty
printf 's/(x/y/' >wrong
printf "# words\n\0I don't think (it's) U.S. \$10.5 or 10km/h; http://a.com/b?x=1... \"well-known\" 3-4 a.B :) e.g. Mr. X  y" >words
