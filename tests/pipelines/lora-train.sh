#!/bin/bash
# lora: adapters are learned, kept, gone on with, and read by every program.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small --max-steps 60 --learning-rate 1e-3 -q -o mini corpus.lms 2>/dev/null
sha256sum mini/* >before
tune="lora -m mini -b 16 --learning-rate 5e-3 -q"
last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\": *\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
value() { # NAME FILE: of a report of score
    awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$2"
}
near() { # A B LIMIT
    awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 <= limit ^ 2) }' || fail_ "$1 and $2"
}
names() { # FILE: the tensors of a safetensors file, with their shapes
    head -c $(($(od -An -tu8 -N8 "$1") + 8)) "$1" | tail -c +9 | grep -oE '"[^"]*":\{"dtype":"[A-Z0-9]*","shape":\[[0-9,]*\]' |
        sed -E 's/^"([^"]*)".*\[(.*)\]$/\1 \2/' | LC_ALL=C sort
}

# ---- classes of rows: what is written, and that it is learned
$tune -e 8 -r 4 --alpha 8 --dropout 0.05 --eval test.lms --log log.jsonl -o news train.lms
awk -v l="$(last eval_loss log.jsonl)" 'BEGIN { exit !(l < 0.4) }' || fail_ "eval_loss $(last eval_loss log.jsonl)"
sha256sum -c --quiet before
names news/adapter_model.safetensors >keys
{
    for layer in 0 1; do
        for module in query value; do
            p=base_model.model.bert.encoder.layer.$layer.attention.self.$module
            echo "$p.lora_A.weight 4,32"
            echo "$p.lora_B.weight 32,4"
        done
    done
    echo "base_model.model.bert.pooler.dense.bias 32"
    echo "base_model.model.bert.pooler.dense.weight 32,32"
    echo "base_model.model.classifier.bias 3"
    echo "base_model.model.classifier.weight 3,32"
} | LC_ALL=C sort >expected
compare_ expected keys
for member in '"peft_type": "LORA"' '"base_model_name_or_path": "mini"' '"r": 4' '"lora_alpha": 8' '"lora_dropout": 0.05' \
    '"task_type": "SEQ_CLS"' '"query"' '"classifier"' '"fan_in_fan_out": false'; do
    grep -qF "$member" news/adapter_config.json || fail_ "no $member: $(cat news/adapter_config.json)"
done
for line in 'base_model: "mini"' 'library_name: peft' '- lora'; do grep -qxF -- "$line" news/README.md || fail_ "no $line in the card"; done
for file in model.safetensors tokenizer.json vocab.txt; do test ! -e news/$file || fail_ "$file stands beside an adapter"; done
score -m mini+news test.lms >report
near "$(value loss report)" "$(last eval_loss log.jsonl)" 1e-5
tok -m mini+news -q --text text --label label test.csv | score -m mini+news >again
compare_ report again

# ---- the same bytes again, in other parts, and when it was stopped
run="$tune -e 2 -r 4 --learning-rate 2e-3 --dropout 0.1 --dora --target all-linear --lr-ratio 4 --ema 0.9 --eval test.lms --eval-steps 20 --keep-best"
$run -o whole --micro-tokens 300 train.lms
for at in 10 70; do
    rm -rf ck out
    end_at KILL $at $run -o out --micro-tokens 300 --checkpoint ck --save-steps 10 <train.lms
    test ! -e out || fail_ "a killed run has published something"
    $run -o out --micro-tokens 300 --checkpoint ck --save-steps 10 --resume </dev/null
    for file in adapter_model.safetensors adapter_config.json config.json; do cmp whole/$file out/$file; done
done
newest=ck/checkpoint-$(ls ck | sed -n 's/^checkpoint-//p' | sort -n | tail -n 1)
test ! -e $newest/model.safetensors || fail_ "a checkpoint has the whole model"
score -m mini+$newest test.lms >report
refuses_ 2 '--r 4' $run -r 8 -o out --micro-tokens 300 --checkpoint ck --resume
refuses_ 2 '--lora_dropout' $run --dropout 0.2 -o out --micro-tokens 300 --checkpoint ck --resume

# ---- an adapter that exists is trained on
$tune -e 1 -m mini+news -o further --eval test.lms --log further.jsonl train.lms
compare_ expected <(names further/adapter_model.safetensors)
awk -v l="$(last eval_loss further.jsonl)" 'BEGIN { exit !(l < 0.4) }' || fail_ "$(last eval_loss further.jsonl)"
for dropout in 0.05 0.3; do # it has 0.05
    $tune -e 1 -m mini+news --dropout $dropout -o further-$dropout train.lms
    grep -qF "\"lora_dropout\": $dropout" further-$dropout/adapter_config.json
done
cmp further/adapter_model.safetensors further-0.05/adapter_model.safetensors
! cmp -s further/adapter_model.safetensors further-0.3/adapter_model.safetensors || fail_ "--dropout changes nothing"
refuses_ 2 '--rank: the adapter of -m mini+news is trained on' $tune -m mini+news -r 8 -o x train.lms

# ---- what is trained, and how fast
lora -m mini --lr-ratio 16 --list-parameters >parameters 2>err
rate() { awk -F '\t' -v name="$1" '$1 == name { print $3 " " $4 }' parameters; }
same_ "yes 0.0002" "$(rate bert.encoder.layer.1.attention.self.query.lora_A.weight)"
same_ "yes 0.0032" "$(rate bert.encoder.layer.1.attention.self.query.lora_B.weight)"
same_ "yes 0.0032" "$(rate classifier.bias)"
same_ "no 0" "$(rate bert.encoder.layer.1.attention.self.query.weight)"
same_ "no 0" "$(rate bert.embeddings.word_embeddings.weight)"
lora -m mini --layer-lr-decay 0.5 --freeze layer.0 --list-parameters >parameters 2>err
same_ "no 0" "$(rate bert.encoder.layer.0.attention.self.value.lora_A.weight)"
same_ "yes 0.0001" "$(rate bert.encoder.layer.1.attention.self.value.lora_A.weight)"

# ---- nothing goes below the lowest adapter: what is there can be run once
upper="$tune -e 2 --layers-to-transform 1 --model-dropout 0 --eval test.lms train.lms"
$upper -o upper --log upper.jsonl
$upper -o cached --cache-frozen --log cached.jsonl
near "$(last eval_loss upper.jsonl)" "$(last eval_loss cached.jsonl)" 1e-5
! names upper/adapter_model.safetensors | grep -q 'layer\.0\.' || fail_ "an adapter in block 0"

# ---- a grid, and a link to its best
$tune --epochs 1 --eval test.lms -o grid --sweep rank=2,4 lr=1e-4,3e-3 -- train.lms >table
same_ 5 "$(wc -l <table)"
score -m mini+grid/best test.lms >report

# ---- other tasks: tags of words; answers of conversations
sed '1d;201q' train.csv | cut -d, -f2 | awk '{ for (i = 1; i <= NF; i++) print $i, ($i ~ /^(goal|team|cup)$/ ? "B-SPORT" : "O"); print "" }' |
    tok -q -m mini --input-format conll >tags.lms
$tune -e 2 -o tagger tags.lms
score -m mini+tagger tags.lms >report
near "$(value accuracy report)" 1 0.1
causal=$abs_top_builddir/tests/testplug/.libs/causal.so
for a in 1 2 3 4 5 6 7 8; do echo "{\"prompt\":\"$a + 1 =\",\"completion\":\"$((a + 1))\"}"; done >sums.jsonl
cut -d'"' -f4 sums.jsonl | tok -q --train bpe --vocab-size 280 --special '<|im_start|>' --special '<|im_end|>' -o causal
size=$(tok -q -m causal --chat chatml sums.jsonl | grep -ao '"vocab_size":[0-9]*' | head -n 1 | cut -d: -f2)
echo "{\"model_type\":\"test-causal\",\"vocab_size\":$size}" >causal/config.json
tok -q -m causal --chat chatml sums.jsonl >sft.lms
finetune --plugin "$causal" -m causal --random-weights -e 1 -q -o sums sft.lms
lora --plugin "$causal" -m sums -q -b 8 -e 40 --learning-rate 1e-2 --target all-linear -o adder --log sft.jsonl sft.lms
awk -v l="$(last loss sft.jsonl)" -v first="$(sed -n 's/.*"loss": *\([0-9.]*\).*/\1/p' sft.jsonl | head -n 1)" \
    'BEGIN { exit !(l < 0.8 * first) }' || fail_ "$(cat sft.jsonl)"
grep -qF '"task_type": "CAUSAL_LM"' adder/adapter_config.json

# ---- PiSSA begins with the model as it is, and leaves an ordinary adapter of it behind
$tune --max-steps 1 --learning-rate 1e-9 --model-dropout 0 --init pissa -r 2 -o pissa train.lms
$tune --max-steps 1 --learning-rate 1e-9 --model-dropout 0 -r 2 -o plain train.lms
score -m mini+pissa test.lms >report
score -m mini+plain test.lms >again
near "$(value loss report)" "$(value loss again)" 1e-4
names pissa/adapter_model.safetensors | grep -qx '.*query.lora_A.weight 4,32' || fail_ "$(names pissa/adapter_model.safetensors)"

# ---- what is wrong is said by name
refuses_ 2 'query' $tune --target q_proj -o x train.lms
refuses_ 2 'which model? Give -m DIR' lora -o x train.lms
refuses_ 2 'a model stands there' $tune -o mini train.lms
refuses_ 2 '33' $tune -r 33 -o x train.lms
refuses_ 2 '--original' $tune --init loftq -o x train.lms
refuses_ 2 '--original is for --init loftq' $tune --original mini -o x train.lms
pretrain $small --layers 2 --width 48 --heads 2 --max-steps 1 -q -o wide corpus.lms 2>/dev/null
refuses_ 1 '[4, 32]' score -m wide+news test.lms
head -c 2000 news/adapter_model.safetensors >cut
cp -r news damaged
cp cut damaged/adapter_model.safetensors
refuses_ 1 'damaged' score -m mini+damaged test.lms
sha256sum -c --quiet before
