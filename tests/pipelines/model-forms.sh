#!/bin/bash
# A model is a directory, an archive of one, or a stream: every program reads and writes each, and they are the same model.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small -b 16 --max-steps 3 -q -o base corpus.lms
train() {
    finetune -b 16 --max-steps 3 -q "$@" train.lms
}

# ---- the way out: what a trainer writes is the directory that it would have written
train -m base -o news
rm news/README.md # it has the command line
unpack_() { # FORM: into the directory got, by the system's own programs
    rm -rf got
    case $1 in
    *.zip) unzip -q "$1" -d all && mv all/"${1%.zip}" got && rmdir all ;;
    *.lms) lms -m "$1" -o got ;;
    *) mkdir all && tar -xf "$1" -C all && mv all/* got && rmdir all ;;
    esac
}
for form in x.tar x.tar.gz x.tgz x.tar.xz x.tar.zst x.tzst x.zip x.lms; do
    train -m base -o $form
    case $form in # what unpacks it may not be there
    *.zip) needs=unzip ;;
    *zst) needs=zstd ;;
    *.xz) needs=xz ;;
    *) needs=cat ;;
    esac
    type $needs >/dev/null 2>&1 || continue
    unpack_ $form
    rm got/README.md
    diff -r news got || fail_ "$form is another model"
done
# the same model makes the same bytes, compressed or not
for form in x.tar x.tar.gz x.tar.zst x.zip; do
    lms -m news -o y."${form#x.}"
    cp y."${form#x.}" first
    sleep 1.1
    lms -m news -o y."${form#x.}"
    cmp first y."${form#x.}"
done
same_ "y/config.json y/vocab.txt y/trainer_state.json y/model.safetensors" "$(tar -tf y.tar | grep -v 'y/.*token.*json\|map.json\|README' | tr '\n' ' ' | sed 's/ $//')"

# ---- the way in: scores are the same
score -m news test.lms >report
for form in y.tar y.tar.zst y.zip; do
    score -m $form test.lms | compare_ report -
    # the tokenizer comes along
    tok -m $form -q --text text --label label test.csv | score -m $form | compare_ report -
done
lms -m news >news.lms
score -m news.lms test.lms | compare_ report -
gzip -k news.lms && score -m news.lms.gz test.lms | compare_ report -
tok -m news.lms -q --text text --label label test.csv | score -m news.lms | compare_ report -

# ---- from program to program
train -m base -o - | score -m - test.lms >piped 2>err
compare_ report piped
grep -q 'tokenizer' err && fail_ "the tokenizer of a stream is not found: $(cat err)" || :
train -m - -o again <y.tar 2>err || fail_ "finetune -m -: $(cat err)"
cat y.zip | score -m - test.lms | compare_ report -
score -m <(cat y.tar.gz) test.lms | compare_ report -
lms -m - <y.tar.zst | lms -m - -o back
diff -r news back
lms -m news.lms | lms --view | sed -n 1p | grep -q '"via":\["lms -m news","lms -m news.lms"\]' # who made it is not lost
lms --check -m - <news.lms | grep -q '^standard input: good: BertForSequenceClassification, '
refuses_ 2 'name the file of the data' score -m - <y.tar
if type script >/dev/null 2>&1; then
    script -qec "lms -m news" /dev/null </dev/null >said || :
    grep -q 'models are binary' said
fi
refuses_ 3 'is empty, where a model is expected' score -m - test.lms </dev/null
status=0
pretrain -a nothing -q -o - corpus.lms 2>/dev/null | score -m - test.lms >/dev/null 2>err || status=$?
same_ 3 $status

mkfifo pipe
lms --check -m pipe >said &
lms -m news -o pipe
wait
grep -q '^pipe: good' said

# ---- names: tokens that were made by an archive name it
tok -m y.tar -q test.csv --text text | lms --view | grep -q '"path":"y.tar"'
tok -m - -q test.csv --text text <y.tar | lms --view | grep -q '"path"' && fail_ "a path that nobody can open" || :

# ---- an archive that holds more than the model, or the model without a directory
mkdir -p deep/a/b
cp -r news deep/a/b/model && mkdir deep/a/b/model/1_Pooling && echo '{}' >deep/a/b/model/1_Pooling/config.json
echo hello >deep/README
tar -cf deep.tar deep
score -m deep.tar test.lms | compare_ report -
tar -C news -cf flat.tar .
score -m flat.tar test.lms | compare_ report -
tar -C news -czf flat.tgz config.json model.safetensors vocab.txt
score -m flat.tgz test.lms | compare_ report -
mkdir two && cp -r news two/a && cp -r news two/b && tar -cf two.tar two
refuses_ 1 'several directories' score -m two.tar test.lms

# ---- an old output stays where the new one fails; a directory keeps its form whatever its name
cp y.tar kept.tar
refuses_ 3 '' finetune -m base -q -o kept.tar <(head -c 1000 train.lms)
cmp y.tar kept.tar
mkdir d.tar
train -m base -o d.tar
test -e d.tar/config.json
refuses_ 1 'is not a directory' lms -m news -o /dev/full
refuses_ 1 'No space left' lms -m news >/dev/full
test -z "$(find . -name '.*lmutils*')" || fail_ "left behind: $(find . -name '.*lmutils*')"

# ---- training goes on from any form, and a sweep makes a directory
train -m y.tar.zst -o more.zip
lms --check -m more.zip | grep -q good
refuses_ 2 'directory of models' finetune -m base --sweep lr=1e-3 --eval test.lms -o s.tar train.lms
finetune -m y.tar --list-parameters -q </dev/null | grep -q 'bert.embeddings.word_embeddings.weight'
finetune -m - --list-parameters -q <y.tar | grep -q 'classifier.weight'

# ---- a tokenizer that is trained goes into an archive as well
tok --train wordpiece --vocab-size 200 -q -o t.tar.gz corpus.txt
tok -m t.tar.gz -q corpus.txt | lms --count | grep -q '900'
