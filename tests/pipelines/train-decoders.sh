#!/bin/bash
# Decoders through the programs: pretrained on the next token, then taught answers, classes of texts and of words.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
below() { # LIMIT VALUE
    awk -v limit="$1" -v value="$2" 'BEGIN { exit !(value != "" && value < limit) }' || fail_ "$2 is not below $1"
}

# ---- every family learns the next token, by default; rows that are half foreseeable
for a in 1 2 3 4 5 6 7 8 9; do
    for b in 1 2 3 4 5 6; do echo "$a $((a + b)) $((a + 2 * b)) $((a + 3 * b))"; done
done >numbers.txt
cat numbers.txt corpus.txt | tok -q --train bpe --vocab-size 400 --special '<pad>' --special '<|im_start|>' --special '<|im_end|>' \
    --special '<|endoftext|>' -o bpe
tok -q -m bpe --eos numbers.txt >numbers.lms
for family in gpt2 llama mistral qwen2 qwen3 gemma; do
    echo "{\"model_type\":\"$family\",\"head_dim\":8,\"initializer_range\":0.1}" >narrow.json
    pretrain --config narrow.json --tokenizer bpe --layers 2 --width 32 --heads 4 --inner 48 --max-length 64 -b 18 -e 40 \
        --learning-rate 1e-2 -o $family --log log numbers.lms 2>err
    grep -q 'ForCausalLM"\|GPT2LMHeadModel"' $family/config.json
    below 1.2 "$(last loss log)"
    score -m $family numbers.lms >report # the perplexity is the exponential of the loss
    awk '{ v[$1] = $2 } END { d = log(v["perplexity"]) - v["loss"]; exit !(v["labelled"] > 150 && v["loss"] < 1.2 && d * d < 1e-8) }' \
        report || fail_ "$family: $(cat report)"
    score -m $family --batch-tokens 1 numbers.lms >alone # rows see nothing of one another
    paste report alone | awk '{ d = $2 - $4 } $1 == "loss" && d * d > 1e-10 { exit 1 }' || fail_ "$family: $(cat alone)"
done
grep -q '"num_key_value_heads": 4' llama/config.json
refuses_ 2 'unknown task of llama' pretrain -a llama --objective mlm -q -o x --tokenizer bpe numbers.lms
refuses_ 2 'known are base, clm' pretrain -a gpt2 --objective pretrain -q -o x --tokenizer bpe numbers.lms
# the same command in other batches learns the same; a run that goes on too
pre="pretrain -m llama -q -b 18 --learning-rate 1e-3"
$pre -e 2 -o whole --log whole.jsonl numbers.lms
$pre -e 2 -o parts --log parts.jsonl --micro-tokens 20 -b 9 --gradient-accumulation 2 numbers.lms
awk -v a="$(last loss whole.jsonl)" -v b="$(last loss parts.jsonl)" 'BEGIN { exit !((a - b) ^ 2 < 1e-8) }' ||
    fail_ "$(last loss whole.jsonl) and $(last loss parts.jsonl)"
OMP_NUM_THREADS=1 $pre -e 2 -o one numbers.lms
cmp whole/model.safetensors one/model.safetensors
# sizes of the family's own
pretrain -a llama --size 15m --layers 1 --max-steps 1 --max-length 32 -b 2 -q -o big --tokenizer bpe numbers.lms
grep -q '"hidden_size": 288' big/config.json
grep -q '"tie_word_embeddings": true' big/config.json

# ---- on from there: classes of texts, which the last token knows; several families and layouts
tok -q -m bpe --text text --label label train.csv >classes.lms
tok -q -m bpe --text text --label label test.csv >held.lms
for family in gpt2 qwen3; do
    finetune -m $family -b 16 -e 3 --learning-rate 3e-3 -q -o classes-$family --log log --eval held.lms classes.lms 2>err
    below -0.9 "-$(last eval_accuracy log)"
    grep -q 'ForSequenceClassification"' classes-$family/config.json
    score -m classes-$family held.lms >report
    awk -v a="$(last eval_accuracy log)" '$1 == "accuracy" { exit !(($2 - a) ^ 2 < 1e-10) }' report || fail_ "$(cat report)"
done
# padding that the user gives does not count: config.json names it
grep -q '"pad_token_id"' classes-gpt2/config.json

# ---- classes of words, of which the first piece is all that has been seen
sed -n '2,201p' train.csv | cut -d, -f2 | awk '{
    for (i = 1; i <= NF; i++) print $i, ($i ~ /^(goal|match|team|coach|cup|player|league|final|score|season)$/ ? "B-SPORT" : "O")
    print "" }' >words.conll
tok -q -m bpe words.conll >words.lms
finetune -m mistral -b 16 -e 4 --learning-rate 3e-3 -q -o tagger --log log words.lms 2>err
below 0.3 "$(last loss log)"
grep -q '"MistralForTokenClassification"' tagger/config.json

# ---- answers of conversations, and all of the text
for a in 1 2 3 4 5 6; do
    for b in 1 2 3 4; do echo "{\"prompt\":\"$a + $b =\",\"completion\":\"$((a + b))\"}"; done
done >sums.jsonl
tok -q -m bpe --chat chatml sums.jsonl >sums.lms
finetune -m gemma -b 8 -e 20 --learning-rate 5e-3 -o sums --log log sums.lms 2>err
grep -q 'task: sft' err || fail_ "$(cat err)"
grep -q 'first example.*assistant\\n«[0-9]*<|im_end|>\\n»$' err || fail_ "$(grep first err)"
below 0.8 "$(last loss log)"
finetune -m qwen2 -b 8 -e 12 --learning-rate 5e-3 --task clm -q -o more --log log sums.lms
grep -q '"Qwen2ForCausalLM"' more/config.json
below 2 "$(last loss log)"

# ---- what does not fit
awk 'BEGIN { for (i = 0; i < 90; i++) printf "7 " }' | tok -q -m bpe >long.lms
refuses_ 1 'and the model takes 64' score -m llama long.lms
sed -i 's/"rope_scaling": null/"rope_scaling": {"rope_type": "yarn", "factor": 4.0}/' llama/config.json
refuses_ 1 'rope_scaling: the type "yarn" is not served' score -m llama numbers.lms
sed -i 's/"model_type": "qwen2"/"model_type": "qwen9"/' qwen2/config.json
refuses_ 1 'model_type "qwen9": no plugin serves it (known: ' score -m qwen2 numbers.lms
