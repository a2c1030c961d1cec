#!/bin/bash
# augment with a real pair of translators: Debian's apertium-eng-spa, whose programs see the end of their input first, and join
# lines into sentences.
. "$(dirname "$0")/init.sh"
needs_program_ apertium
apertium -l >pairs
grep -q eng-spa pairs || skip_ "apertium has no eng-spa: apt-get install apertium-eng-spa"

cat >in.csv <<'END'
label,text
animals,I have two dogs.
food,"I eat bread
and drink water"
none,42
weather,Tomorrow it rains
animals,The white cat
END
# a copy of each record, there and back again
augment --back-translate 'apertium eng-spa' 'apertium spa-eng' -n 1 in.csv >out.csv 2>err
same_ 'animals animals food food none none weather weather animals animals' \
    "$(lms -q --plain --text text --label label out.csv | sed 's/.*"label": *"\([a-z]*\)".*/\1/' | xargs)"
same_ 'animals,I have two dogs.' "$(sed -n 2p out.csv)"
sed -n 3p out.csv | grep -qi "^animals,.*two dogs[.]\$" || fail_ "$(cat out.csv)"
same_ 2 "$(grep -c '^none,42$' out.csv)"
grep -q "'apertium eng-spa' answers at the end of its input" err
# no record is translated together with its neighbour: alone it comes out the same, and so it does on one thread
augment -q --translate 'apertium -u eng-spa' in.csv >whole.csv
grep -q '^animals,Tengo dos perros.$' whole.csv || fail_ "$(cat whole.csv)"
tail -n 2 in.csv | sed '1i label,text' | augment -q --input-format csv --translate 'apertium -u eng-spa' >part.csv
same_ "$(tail -n 2 whole.csv)" "$(tail -n 2 part.csv)"
augment -q -j 1 --translate 'apertium -u eng-spa' in.csv | compare_ whole.csv -
