#!/bin/bash
# augment: words replaced, put in, moved and taken out; noise; classes of one size.
. "$(dirname "$0")/init.sh"

# ---- data: English and Korean, with a label and another column
{
    printf 'label\ttext\tsource\n'
    for i in $(seq 40); do
        printf 'good\tThe big dog, a hound, runs home; day %d!\ta%d\n' "$i" "$i"
        printf 'bad\t학교에서 친구와 밥을 먹었다 %d\t"b, %d\n' "$i" "$i"
    done
} >in.tsv
printf '%s\n' '# ours' $'big\tlarge,huge,vast' $'dog\thound,puppy' $'home\thouse' $'학교\t학원,교정' $'친구\t벗,동무' $'밥\t식사' >words.tsv

column_() { # FILE COLUMN: of a tsv with header
    tail -n +2 "$1" | cut -f "$2"
}

# ---- copies: behind each record, with its label and its other columns
augment -q --synonym 0.5 --thesaurus words.tsv -n 3 in.tsv >out.tsv
same_ 320 "$(column_ out.tsv 2 | wc -l)"
same_ "$(column_ in.tsv 1 | sed 'p;p;p')" "$(column_ out.tsv 1)"
same_ "$(column_ in.tsv 3 | sed 'p;p;p')" "$(column_ out.tsv 3)"
same_ "$(column_ in.tsv 2)" "$(column_ out.tsv 2 | awk 'NR % 4 == 1')"
column_ out.tsv 2 | grep '^The \(large\|huge\|vast\) \(puppy\|hound\), a hound, runs' >/dev/null || fail_ "no synonyms"
column_ out.tsv 2 | grep '^\(학원\|교정\)에서 \(벗\|동무\|식사\|친구\)' >/dev/null || fail_ "no Korean synonyms"
column_ out.tsv 2 | grep '벗과 ' >/dev/null || fail_ "the particle of 벗 is 과"
column_ out.tsv 2 | grep '\(벗\|학원\)와\|식사을' >/dev/null && fail_ "a particle does not go with its noun"
augment -q --synonym 0.5 --thesaurus words.tsv -n 3 --exclude-original in.tsv >copies.tsv
same_ "$(column_ out.tsv 2 | awk 'NR % 4 != 1')" "$(column_ copies.tsv 2)"

# ---- the same bytes for any number of threads, and for parts of the input
all="--synonym 0.3 --insert 0.2 --swap 0.2 --delete 0.1 --keyboard 0.02 --ocr 0.02 --jamo 0.05 --typo 0.02 --thesaurus words.tsv -n 4 --provenance"
tail -n +2 in.tsv >rows.tsv
augment -q -j1 $all --text 2 --label 1 --input-format tsv --header no rows.tsv >one.tsv
augment -q -j4 $all --text 2 --label 1 --input-format tsv --header no rows.tsv >four.tsv
cmp one.tsv four.tsv
head -n 33 rows.tsv | augment -q $all --text 2 --label 1 --input-format tsv --header no >parts.tsv
tail -n +34 rows.tsv | augment -q $all --text 2 --label 1 --input-format tsv --header no --offset 33 >>parts.tsv
cmp one.tsv parts.tsv
augment -q -j1 --seed 7 $all --text 2 --label 1 --input-format tsv --header no rows.tsv >seven.tsv
! cmp -s one.tsv seven.tsv || fail_ "--seed changes nothing"
iconv -f UTF-8 -t UTF-8 one.tsv >/dev/null

# ---- the mixture: nine copies, each by one edit, and what was done stands in the record
printf '{"text":"the big dog runs home","label":1}\n' >one.jsonl
augment -q --eda --thesaurus words.tsv --provenance one.jsonl >eda.jsonl
same_ 10 "$(wc -l <eda.jsonl)"
same_ 9 "$(grep -c '"aug":\[{"op":"eda","edit":"\(synonym\|insert\|swap\|delete\)","share":0.1,"seed":42}\]' eda.jsonl)"
same_ 10 "$(grep -c '"label":1' eda.jsonl)"
same_ 17 "$(augment -q --eda=0.05 --num_aug=16 --alpha_sr 0.1 --thesaurus words.tsv one.jsonl | wc -l)"
augment -q --eda --alpha-sr 0 --alpha-ri 0 --alpha-rs 0 --alpha-rd 1 --thesaurus words.tsv --exclude-original one.jsonl >deleted.jsonl
same_ 9 "$(grep -c '"text":"[a-z]*"' deleted.jsonl)"
augment -q --delete 1 one.jsonl | grep '"text":"[a-z]*"' >/dev/null || fail_ "without copies the record itself is changed"

# ---- words that stay
echo dog >dog
augment -q --protect dog --synonym 1 --thesaurus words.tsv in.tsv | grep 'dog' >/dev/null || fail_ "--protect"
augment -q --protect dog --synonym 1 --thesaurus words.tsv in.tsv | grep 'puppy' >/dev/null && fail_ "--protect: replaced"

# ---- classes of one size
{ head -n 31 in.tsv; for i in $(seq 5); do printf 'rare\tseldom, %d\tc%d\n' "$i" "$i"; done; } >uneven.tsv
augment --balance uneven.tsv >even.tsv 2>err
same_ '15 bad 15 good 15 rare' "$(column_ even.tsv 1 | sort | uniq -c | xargs)"
grep -q 'balance: 3 classes of 5 to 15 records; 10 copies for 15 each' err || { cat err; fail_ "--balance says nothing"; }
same_ '3 3 3 3 3' "$(grep -o 'seldom, [0-9]*' even.tsv | sort | uniq -c | awk '{ print $1 }' | xargs)"
augment -q --balance 20 --delete 0.5 uneven.tsv >more.tsv
same_ '20 bad 20 good 20 rare' "$(column_ more.tsv 1 | sort | uniq -c | xargs)"
refuses_ 1 'record 0 has no label' augment -q --balance one.jsonl --label ''
refuses_ 2 "'many' is no size" augment --balance=many uneven.tsv

# ---- what is wrong is said
refuses_ 2 "--synonym: '2' is no share" augment --synonym 2 in.tsv
refuses_ 2 "--keyboard: 'much' is no share" augment --keyboard=much in.tsv
refuses_ 1 "cannot open" augment --synonym --thesaurus nowhere.tsv in.tsv
printf 'big\tlarge\nbig large\n' >bad.tsv
refuses_ 1 'bad.tsv:2: neither' augment --synonym --thesaurus bad.tsv in.tsv
WNSEARCHDIR=$PWD/none refuses_ 1 'none/index.noun' augment --synonym in.tsv
mkdir empty
refuses_ 1 'empty/index.noun' augment --synonym --wordnet empty in.tsv

refuses_ 2 '--alpha-sr: is about --eda' augment --alpha_sr 0.1 --synonym in.tsv
refuses_ 2 '--thesaurus: is about one of the operations synonym insert eda' augment --thesaurus words.tsv --swap in.tsv

# ---- WordNet, where it is
if test -r /usr/share/wordnet/index.noun; then
    augment -q --synonym 1 --exclude-original -n 20 one.jsonl >wordnet.jsonl
    grep -q 'large\|grown' wordnet.jsonl || { cat wordnet.jsonl; fail_ "WordNet has no synonym of big"; }
else
    echo "SKIP: WordNet is not installed"
fi

# ---- real data: every label stands where it stood, and all of it is UTF-8
if test -n "$data"; then
    needs_data_ data/nsmc data/agnews
    for file in "$data/data/nsmc/ratings_test.rebuilt.txt" "$data/data/agnews/test.csv"; do
        head -n 400 "$file" >real
        options='--input-format tsv --text document --label label'
        case $file in *.csv) options='--input-format csv --header no --label 1 --text 2,3' ;; esac
        augment -q $options -n 3 --swap 0.1 --delete 0.1 --keyboard 0.02 --jamo 0.05 --typo 0.02 --ocr 0.02 real >out
        iconv -f UTF-8 -t UTF-8 out >/dev/null
        case $file in
        *.csv) compare_ <(cut -d, -f1 real | sed 'p;p;p') <(cut -d, -f1 out) ;;
        *) compare_ <(tail -n +2 real | cut -f1,3 | sed 'p;p;p') <(tail -n +2 out | cut -f1,3) ;;
        esac
    done
fi
