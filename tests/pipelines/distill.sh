#!/bin/bash
# distill: a teacher in the process, in a pipe and in a file; what both have to have in common.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

fit="-b 16 --learning-rate 3e-3 -j 1"
value() { # NAME FILE: of a report of score
    awk -v name="$1" '$1 == name { print $2 }' "$2"
}
first_loss() { # FILE: of a log
    sed -n 's/.*"loss":\([-0-9.e]*\).*/\1/p' "$1" | head -n 1
}
near() { # A B LIMIT
    awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d <= limit && -d <= limit) }' ||
        fail_ "$1 and $2 differ by more than $3"
}
accuracy_above() { # LIMIT MODEL
    score -m "$2" -j 1 test.lms >report
    awk -v limit="$1" '$1 == "accuracy" { ok = $2 > limit } END { exit !ok }' report || fail_ "$2: $(grep accuracy report)"
}

finetune -a bert --layers 4 --width 32 --heads 2 --max-length 64 $fit -e 3 -q -o big train.lms

# ---- half of the layers, and what they knew before anything is learned
still="--max-steps 1 --schedule constant --learning-rate 1e-12 --dropout 0"
for layers in 0,1,2,3 3,2,1,0 0,2; do
    distill --teacher big --init-from-teacher $layers $fit $still -q -o "begun-$layers" train.lms
    score -m "begun-$layers" -j 1 test.lms >"report-$layers"
done
score -m big -j 1 test.lms >report
near "$(value loss report)" "$(value loss report-0,1,2,3)" 1e-5
test "$(value loss report)" != "$(value loss report-3,2,1,0)" || fail_ "layers in another order are the same"
mv begun-0,2 begun
grep -q '"num_hidden_layers": 2' begun/config.json
distill --teacher big --init-from-teacher 0,2 $fit -e 2 -o half --log half.jsonl train.lms 2>err
grep -q 'teacher: big: 0.5 times KL(teacher||student) at temperature 2, 0.5 times the labels' err || fail_ "$(cat err)"
accuracy_above 0.95 half
grep -q 'teacher' half/README.md

# ---- the teacher in a pipe, and in a file, says what it says in the process
score -m big -j 1 --emit logits train.lms | tee taught.lms |
    distill -m begun $fit -e 2 -q -o piped --log piped.jsonl
distill -m begun $fit -e 2 -q -o stored taught.lms
cmp piped/model.safetensors stored/model.safetensors
distill -m begun --teacher big $fit -e 2 -q -o present --log present.jsonl train.lms
near "$(first_loss piped.jsonl)" "$(first_loss present.jsonl)" 1e-4
accuracy_above 0.95 piped
# it is listened to: without labels, and on labels that are all wrong
sed '2,$s/^[a-z]*,/sport,/' train.csv | tok -q -m tokdir --text text --label label |
    score -m big -j 1 --emit logits - >misled.lms
distill -m begun --labels business,sport,weather --alpha-ce 1 --alpha-hard 0 $fit -e 2 -q -o deaf misled.lms
accuracy_above 0.95 deaf

# ---- other architectures learn from it, in every way
distill -a lstm --size tiny $fit -e 4 -q -o lstm taught.lms
accuracy_above 0.9 lstm
distill -a bow $fit --learning-rate 1e-2 -e 8 -q -o bow taught.lms
accuracy_above 0.9 bow
for how in reverse jsd mse; do
    distill -m begun --divergence $how --alpha-hard 0 --alpha-ce 1 $fit -e 2 -q -o $how taught.lms
    accuracy_above 0.9 $how
done
above() { # OPTIONS LOG: the first loss with these options is larger than without, which the log has
    distill -m begun --teacher big $fit --max-steps 1 -q -o y --log y.jsonl $1 train.lms
    awk -v with="$(first_loss y.jsonl)" -v without="$(first_loss "$2")" 'BEGIN { exit !(with > 1.01 * without) }' || fail_ "no more with $1"
}
above "--alpha-cos 1" present.jsonl

# ---- masked words: what stays hidden, and the largest logits
pretrain -a bert --layers 2 --width 32 --heads 2 --max-length 64 $fit --max-steps 30 -q -o words corpus.lms
returns_ 2 tok -q -m tokdir --copies 2 corpus.txt 2>/dev/null
returns_ 2 tok -q -m tokdir --mlm 0.15 --ids corpus.txt 2>/dev/null
tok -q -m tokdir --mlm 0.3 --copies 2 corpus.txt >masked.lms
tok -q -j 2 -m tokdir --mlm 0.3 --copies 2 corpus.txt >again.lms
lms --view masked.lms | sed 1d >masked.view
lms --view again.lms | sed 1d >again.view
compare_ masked.view again.view
rows() { # FILE
    lms --view "$1" | grep -c '^row '
}
same_ $((2 * $(rows corpus.lms))) "$(rows masked.lms)"
score -m words -j 1 --emit logits masked.lms >all.lms
score -m words -j 1 --emit logits --top 8 masked.lms >top.lms
student="-a bert --layers 1 --width 32 --heads 2 --max-length 64 --task mlm"
for t in 1 2; do
    distill $student --alpha-cos 0 --temperature $t --teacher words $fit --max-steps 3 -q -o w --log words-$t.jsonl --logging-steps 1 masked.lms
    distill $student --temperature $t $fit --max-steps 3 -q -o y --log all-$t.jsonl --logging-steps 1 all.lms
    distill $student --temperature $t $fit --max-steps 3 -q -o z --log top-$t.jsonl --logging-steps 1 top.lms
    near "$(first_loss words-$t.jsonl)" "$(first_loss all-$t.jsonl)" 2e-3
    awk -v all="$(first_loss all-$t.jsonl)" -v top="$(first_loss top-$t.jsonl)" 'BEGIN { exit !(top > 0 && top < all) }' ||
        fail_ "the loss of the largest logits is no smaller than that of all"
done
distill --teacher words -a distilbert --init-from-teacher 0,1 --task mlm $fit $still -o distilled corpus.lms 2>err
! grep 'no like in the teacher' err || fail_ "a part of a DistilBERT has no like in a BERT"
grep -q '"model_type": "distilbert"' distilled/config.json
distill $student --teacher words $fit --max-steps 3 -q -o y corpus.lms # DistilBERT's three losses
for all in "" --restrict-ce-to-mask; do # what is said at hidden tokens is another mean than that of all
    distill $student --teacher words $all --alpha-hard 0 --alpha-cos 0 $fit --max-steps 1 -q -o y --log "heard$all.jsonl" corpus.lms
done
awk -v all="$(first_loss heard.jsonl)" -v hidden="$(first_loss heard--restrict-ce-to-mask.jsonl)" \
    'BEGIN { exit !(all > 0 && hidden > 0 && (all > 1.001 * hidden || hidden > 1.001 * all)) }' || fail_ "all tokens are heard with the mask"
quant -q -t q8_0 -m words -o words.gguf # a frozen matrix stays quantised
distill -m words.gguf --teacher words --task mlm --freeze-except bert.encoder.layer.1.output.LayerNorm.bias $fit --max-steps 1 -q -o y corpus.lms
score -m words -j 1 --emit logits corpus.lms >unmasked.lms
refuses_ 1 'mask them first' distill $student $fit --max-steps 1 -q -o x unmasked.lms

# ---- several classes, and numbers: the largest logits do not suffice
awk -F, 'NR == 1 { print "text,labels,number" } NR > 1 && NR < 66 { print $2 "," ($1 == "sport" ? "a+b" : "b") "," length($2) / 100 }' \
    train.csv >several.csv
for way in "multilabel --label labels --label-separator +" "regress --label number --label-type float"; do
    task=${way%% *}
    tok -q -m tokdir --text text ${way#* } several.csv >some.lms
    finetune -a bert --layers 1 --width 16 --heads 2 --max-length 64 --task $task $fit --max-steps 2 -q -o some some.lms
    score -m some -j 1 --emit logits some.lms >some-taught.lms
    distill -a lstm --size tiny --task $task $fit --max-steps 2 -q -o y some-taught.lms
    score -m some -j 1 --emit logits --top 1 some.lms >some-top.lms
    refuses_ 2 'without --top' distill -a lstm --size tiny --task $task --max-steps 2 -q -o y some-top.lms
done

# ---- what config.json says of single layers goes with them
types='["full_attention", "sliding_attention", "full_attention", "sliding_attention"]'
cat >qwen.json <<END
{"model_type": "qwen3", "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
 "intermediate_size": 32, "max_position_embeddings": 64, "use_sliding_window": true, "sliding_window": 4, "layer_types": $types}
END
pretrain --config qwen.json --tokenizer tokdir $fit --max-steps 1 -q -o qwen corpus.lms
distill --teacher qwen --task clm --init-from-teacher 0,3 $fit --max-steps 1 -q -o few corpus.lms
same_ full_attention,sliding_attention "$(tr -d ' \n' <few/config.json | sed 's/.*"layer_types":\[\([^]]*\).*/\1/' | tr -d '"')"

# ---- what is refused
refuses_ 2 'no teacher' distill -m begun -q -o x train.lms
refuses_ 2 'name it' distill --init-from-teacher 0 -q -o x taught.lms
refuses_ 2 'give one of them' distill -m begun --teacher big --init-from-teacher 0 -q -o x train.lms
refuses_ 2 'numbers of the teacher' distill --teacher big --init-from-teacher 0,4 -q -o x train.lms
refuses_ 2 'finetune does that' distill -m begun --teacher big --alpha-ce 0 -q -o x train.lms
refuses_ 1 'class 0 is' distill -m begun --teacher big --labels weather,sport,business -q -o x train.lms
head -c "$(($(stat -c %s taught.lms) / 2))" taught.lms >cut.lms
refuses_ 3 'ends' distill -m begun -q -o x cut.lms
test ! -e x || fail_ "a student of half a stream"
mkdir otherdir
sed 's/goal/gaol/' tokdir/vocab.txt >otherdir/vocab.txt
sed 1d train.csv | cut -d, -f2 | tok -q -m otherdir >other.lms
refuses_ 1 "'gaol'" distill --task mlm -a bert --size tiny --tokenizer otherdir --teacher words -q -o x other.lms
cat taught.lms train.lms >mixed.lms
refuses_ 1 '0 logits of a teacher' distill -m begun -q -o x mixed.lms

# ---- a teacher with another tokenizer has said what it has to say in another stream, record by record
tok -q -m otherdir --text text --label label train.csv >mine.lms
distill -a lstm --size tiny --logits taught.lms $fit -e 4 -q -o apart mine.lms
tok -q -m otherdir --text text --label label test.csv | score -m apart -j 1 --fail-under accuracy=0.9 >report
distill -a lstm --size tiny --logits taught.lms $fit --max-steps 2 -q -o y train.lms
distill -a lstm --size tiny $fit --max-steps 2 -q -o z taught.lms
cmp y/model.safetensors z/model.safetensors
# ... by the record that it comes of: rows in another order, and further ones, are found
lms --shuffle --seed 3 taught.lms >turned.lms
distill -a lstm --size tiny --logits turned.lms $fit --max-steps 2 -o y mine.lms 2>err
grep -q "turned.lms has its rows in another order than mine.lms, from row [0-9]* on: they are matched by record" err || fail_ "$(cat err)"
distill -a lstm --size tiny --logits taught.lms $fit --max-steps 2 -q -o z mine.lms
cmp y/model.safetensors z/model.safetensors
lms --head 100 mine.lms >few.lms
distill -a lstm --size tiny --logits turned.lms $fit --max-steps 2 -o y few.lms 2>err
grep -q "turned.lms has [0-9]* records that few.lms has not, which are left out: the first is record [0-9]*[0-9][0-9] (row" err || fail_ "$(cat err)"
named() { awk -F, -v OFS=, -v prefix="$1" '{ print $0, NR == 1 ? "id" : prefix (NR - 1) }'; } # PREFIX: records with a name
named n <train.csv >named.csv
{ head -n 1 named.csv; sed 1d named.csv | tac; } >back.csv # in another order, and numbered anew: their ids tell which they are
tok -q -m tokdir --text text --label label named.csv | score -m big -j 1 --emit logits >named.lms
tok -q -m otherdir --text text --label label back.csv | distill -a lstm --size tiny --logits named.lms $fit --max-steps 2 -q -o y
tok -q -m otherdir --text text --label label back.csv | distill -a lstm --size tiny --logits taught.lms $fit --max-steps 2 -q -o x 2>err &&
    fail_ "records of other numbers have the same labels"
grep -q "^distill: --logits: record [0-9]* (row [0-9]*) has another label" err || fail_ "$(cat err)"
lms --head 100 taught.lms >fewer.lms
refuses_ 1 "record 100 (row 100) of mine.lms is not in fewer.lms" distill -a lstm --size tiny --logits fewer.lms --max-steps 2 -q -o x mine.lms
sed 8d named.csv | tok -q -m tokdir --text text --label label | score -m big -j 1 --emit logits >holed.lms
refuses_ 1 'record "n7" (row 6) of' distill -a lstm --size tiny --logits holed.lms --max-steps 2 -q -o x named.lms
cat taught.lms taught.lms >twice.lms
cat mine.lms mine.lms >mine-twice.lms
distill -a lstm --size tiny --logits twice.lms $fit --max-steps 2 -q -o y mine-twice.lms
refuses_ 1 "twice.lms has several rows of record 0 (row" distill -a lstm --size tiny --logits twice.lms --max-steps 2 -q -o x mine.lms
refuses_ 2 'whole rows' distill -a lstm --size tiny --task mlm --logits all.lms --max-steps 2 -q -o x masked.lms
refuses_ 2 'give one of them' distill -a lstm --size tiny --teacher big --logits taught.lms --max-steps 2 -q -o x mine.lms

# ---- narrower than its teacher, and still what the teacher was
distill --teacher big --init-from-teacher 0,1,2,3 -a bert --width 16 $fit -e 1 -o narrow --log narrow.jsonl train.lms 2>err
grep -q '16 of the teacher.s 32 dimensions have [0-9.]* % of its hidden states' err || fail_ "$(cat err)"
grep -q '"num_attention_heads": 1' narrow/config.json
grep -q '"intermediate_size": 64' narrow/config.json
distill --teacher big -a bert --layers 4 --width 16 --heads 1 --max-length 64 $fit -e 1 -q -o fresh --log fresh.jsonl train.lms
for way in narrow fresh; do score -m $way -j 1 test.lms >report-$way; done
awk -v narrow="$(value loss report-narrow)" -v fresh="$(value loss report-fresh)" 'BEGIN { exit !(narrow < 0.7 * fresh) }' ||
    fail_ "projected weights are no better a start: loss $(value loss report-narrow), else $(value loss report-fresh)"
distill --teacher words -a distilbert --init-from-teacher 0,1 --width 16 --task mlm $fit $still -o y corpus.lms 2>err
! grep 'no like in the teacher' err || fail_ "a part of a narrow DistilBERT has no like in a BERT"
quant -q -t q8_0 -m big -o big.gguf
distill --teacher big.gguf --init-from-teacher 0,2 -a bert --width 16 $fit $still -q -o y train.lms
refuses_ 2 'and go to the student whole' distill --teacher big --init-from-teacher 0 -a bert --width 24 -q -o x train.lms
refuses_ 2 'leave --layers and --size out' distill --teacher big --init-from-teacher 0 -a bert --size tiny -q -o x train.lms
