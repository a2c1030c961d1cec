#!/bin/bash
# The tables of large tokenizers are kept: the same tokens with them and without, whatever has become of the file.
. "$(dirname "$0")/init.sh"
needs_data_ tokenizers/gpt2/tokenizer.json
mkdir gpt2
cp "$data"/tokenizers/gpt2/* gpt2/ && chmod -R u+w gpt2
printf 'a text\nund noch einer, 12345\n' >text
LMUTILS_CACHE='' tok -m gpt2 text >without
export LMUTILS_CACHE=$PWD/kept
run() { # what it says and makes is the same
    tok -m gpt2 text >with 2>said
    compare_ without with
    test ! -s said || fail_ "it says: $(cat said)"
}
run
same_ 1 "$(ls kept | wc -l)"
file=$(ls kept/tokenizer-*)
same_ 600 "$(stat -c %a "$file")"
stamp=$(stat -c %y "$file")
run
same_ "$stamp" "$(stat -c %y "$file")" # read, not made anew

size=$(stat -c %s "$file")
for cut in 0 50 96 "$((size / 2))" "$((size - 1))" "$((size + 1))"; do
    truncate -s "$cut" "$file"
    run
    same_ "$size" "$(stat -c %s "$file")" # and it is whole again
done
printf x | dd of="$file" bs=1 seek="$((size / 2))" conv=notrunc 2>/dev/null
run
chmod g+w "$file" # somebody else might have written it
run
same_ 600 "$(stat -c %a "$file")"
mv "$file" elsewhere && ln -s "$PWD/elsewhere" "$file"
run
test ! -L "$file" || fail_ "a link is followed"

sed -i 's/"\\u0120the"/"\\u0120thx"/; s/"Ġthe"/"Ġthx"/' gpt2/tokenizer.json # another tokenizer has another file
tok -q -m gpt2 text >with 2>/dev/null || :
test "$(ls kept | wc -l)" -le 2 || fail_ "more files than tokenizers"
cp "$data/tokenizers/gpt2/tokenizer.json" gpt2/

rm -r kept
printf 'no directory' >kept # nothing can be kept: nothing is said
run
rm kept
mkdir -m 500 kept
run
chmod 700 kept
unset LMUTILS_CACHE
HOME=$PWD/home XDG_CACHE_HOME='' run # no such home
test ! -e home || fail_ "a home directory is made"
mkdir home
HOME=$PWD/home XDG_CACHE_HOME=relative run
same_ 1 "$(ls home/.cache/lmutils | wc -l)"
test ! -e relative || fail_ "a relative XDG_CACHE_HOME is used"
