#!/bin/bash
# augment --fix-typos: with dictionaries made here, and with hunspell's where these are installed.
. "$(dirname "$0")/init.sh"

if grep -q 'HAVE_HUNSPELL 1' "$abs_top_builddir/config.h"; then
    # ---- in each form, and nothing else of the record
    printf 'SET UTF-8\nTRY esianrtolcdugmphbyfvkwz\n' >en.aff
    printf '8\nthe\nworld\nround\nis\nand\nhappy\ngovernment\na\n' >en.dic
    printf '{"text": "The wrold is roundd, and hapy!", "n": 1.50}\n{"text": "a world", "n": 2}\n' >texts.jsonl
    augment --fix-typos --dictionary ./en.dic texts.jsonl >got 2>said
    printf '{"text": "The world is round, and happy!", "n": 1.50}\n{"text": "a world", "n": 2}\n' >want
    compare_ want got
    grep -q 'fix-typos: 3 of 8 words are not in ./en.dic, 3 of them were corrected' said || fail_ "said: $(cat said)"
    echo hapy >protected
    augment -q --fix-typos --dictionary ./en --protect protected texts.jsonl >got
    sed 's/happy/hapy/' want >kept
    compare_ kept got

    # ---- which word it is depends on what the input says elsewhere, and not on memory, threads or files
    awk 'BEGIN {
        srand(4)
        split("the world is round and a happy government", word, " ")
        for (i = 0; i < 20000; i++) {
            line = ""
            for (k = 0; k < 12; k++) {
                w = word[1 + int(8 * rand())]
                at = 1 + int(length(w) * rand())
                if (rand() < 0.1 && length(w) > 3) w = substr(w, 1, at - 1) substr("eiaorn", 1 + int(6 * rand()), 1) substr(w, at)
                line = line " " w
            }
            print substr(line, 2)
        }
    }' >many.txt
    for run in "-j1 --memory 16M" "-j2 --memory 16M" "-j3 --memory 1G"; do
        augment -q --fix-typos --dictionary ./en $run many.txt | md5sum
    done >sums
    split -n l/4 many.txt part.
    augment -q -j2 --fix-typos --dictionary ./en part.* | md5sum >>sums
    test "$(sort -u sums | wc -l)" = 1 || fail_ "corrections depend on memory, threads or files"
    augment -q --fix-typos --dictionary ./en many.txt >got
    left=$(tr ' ' '\n' <got | grep -vcxE 'the|world|is|round|and|a|happy|government') || :
    test "$left" -lt 100 || fail_ "$left words were not corrected"

    refuses_ 2 'there is no such dictionary' augment --fix-typos --dictionary xx_YY texts.jsonl
    refuses_ 2 'there is no such dictionary' augment --fix-typos --dictionary ./en,./nowhere.dic texts.jsonl

    # ---- with hunspell's own
    if test -e /usr/share/hunspell/en_US.dic; then
        same_ 'I believe that the government received their letter from a friend.' \
            "$(echo 'I beleive that the goverment recieved their lettre from a freind.' | augment -q --fix-typos)"
    fi
    if test -e /usr/share/hunspell/ko.dic; then
        same_ '정말 재미있는 영화를 보았습니다.' "$(echo '정말 재미있능 영화를 보앗습니다.' | augment -q --fix-typos --dictionary en_US,ko)"
    fi
else
    refuses_ 1 'built without hunspell' augment --fix-typos "$abs_top_srcdir/README.md"
fi
