#!/bin/bash
# The families that are not transformers: lstm and bow, made anew by finetune.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

new="--tokenizer tokdir -b 16 -q"
last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
below() { # LIMIT VALUE
    awk -v limit="$1" -v value="$2" 'BEGIN { exit !(value != "" && value < limit) }' || fail_ "$2 is not below $1"
}

# ---- lstm: classes of rows, by the state that each ends with
lstm="-a lstm --width 24 --layers 2 --learning-rate 1e-2"
finetune $lstm $new -e 4 -o news --eval test.lms --log news.jsonl train.lms
below 0.3 "$(last eval_loss news.jsonl)"
grep -q '"LSTMForSequenceClassification"' news/config.json
grep -q '"num_hidden_layers": 2' news/config.json
! grep -q 'intermediate_size\|num_attention_heads' news/config.json || fail_ "members of other families: $(cat news/config.json)"
score -m news test.lms >report
awk -v a="$(last eval_loss news.jsonl)" '$1 == "loss" { exit !((a - $2) ^ 2 < 1e-10) }' report || fail_ "$(cat report)"
# names are those of torch.nn.LSTM, and blocks are known by their numbers
finetune -m news --list-parameters --freeze layer.0,embeddings >list 2>/dev/null
same_ "$(printf '%s\t%s\tno\n' embedding.weight '*' lstm.weight_ih_l0 '*' lstm.weight_hh_l0 '*' lstm.bias_ih_l0 '*' lstm.bias_hh_l0 '*')" \
    "$(awk -F '\t' '$3 == "no" { print $1 "\t*\tno" }' list)"
same_ "$(printf '%s\n' lstm.weight_ih_l1 lstm.weight_hh_l1 lstm.bias_ih_l1 lstm.bias_hh_l1 classifier.weight classifier.bias)" \
    "$(awk -F '\t' '$3 == "yes" { print $1 }' list)"
# what is frozen runs once, and the same is learned; dropout aside
for cache in --cache-frozen --no-cache-frozen; do
    finetune -m news -b 16 -q --max-steps 8 --dropout 0 --freeze layer.0,embeddings --log cache$cache.jsonl -o x $cache train.lms
done
awk -v a="$(last train_loss cache--cache-frozen.jsonl)" -v b="$(last train_loss cache--no-cache-frozen.jsonl)" \
    'BEGIN { exit !((a - b) ^ 2 < 1e-8) }' || fail_ "cached and not cached differ"
# threads, micro-batches and a resume change nothing
finetune $lstm $new --max-steps 12 -j 1 -o one --log one.jsonl train.lms
finetune $lstm $new --max-steps 12 -j 3 -o three train.lms
cmp one/model.safetensors three/model.safetensors
finetune $lstm $new --max-steps 12 --micro-tokens 40 -o parts --log parts.jsonl train.lms
awk -v a="$(last train_loss one.jsonl)" -v b="$(last train_loss parts.jsonl)" 'BEGIN { exit !((a - b) ^ 2 < 1e-8) }' ||
    fail_ "$(last train_loss one.jsonl) and $(last train_loss parts.jsonl)"
finetune $lstm $new --max-steps 12 -o half --checkpoint ck --save-steps 5 train.lms
rm -r half ck/checkpoint-10
finetune $lstm $new --max-steps 12 -o half --checkpoint ck --save-steps 5 --resume train.lms
cmp one/model.safetensors half/model.safetensors

# ---- both ways, the mean over the tokens; tags
echo '{"model_type":"lstm","hidden_size":16,"embedding_size":20,"bidirectional":true,"pooling":"mean","dropout":0.1}' >both.json
finetune --config both.json $new -e 2 --learning-rate 1e-2 -o mean --eval test.lms --log mean.jsonl train.lms
below 0.4 "$(last eval_loss mean.jsonl)"
sed -n '2,200p' train.csv | cut -d, -f2 | awk '{
    for (i = 1; i <= NF; i++) print $i, ($i ~ /^(goal|match|team|coach|cup)$/ ? "B-SPORT" : "O")
    print "" }' | tok -q -m tokdir --input-format conll >tags.lms
finetune --config both.json $new -e 8 --learning-rate 1e-2 -o tagger --log tags.jsonl tags.lms
below 0.1 "$(last loss tags.jsonl)"
grep -q '"LSTMForTokenClassification"' tagger/config.json
score -m tagger --emit hidden tags.lms >hidden.lms
lms --check hidden.lms >/dev/null

# ---- the next token; a model that reads it may not be asked to learn it
finetune $lstm $new -e 2 --task clm -o next --log next.jsonl corpus.lms
below 4 "$(last loss next.jsonl)" # of about 5.1 at first; the words are drawn at random
grep -q '"LSTMForCausalLM"' next/config.json
score -m next corpus.lms >report
grep -q perplexity report || fail_ "$(cat report)"
pretrain $lstm $new -e 1 -o language --log language.jsonl corpus.lms
below 5 "$(last loss language.jsonl)"
refuses_ 1 'config.json: bidirectional: the next token cannot be learned by a model that reads it' \
    finetune --config both.json $new -e 1 --task clm -o x corpus.lms
echo '{"model_type":"lstm","hidden_size":16,"tie_word_embeddings":true}' >tied.json
finetune --config tied.json $new --max-steps 2 --task clm -o tied corpus.lms
! grep -aq '"lm_head.weight"' tied/model.safetensors || fail_ "a tied weight is stored twice"
score -m tied corpus.lms >/dev/null

# ---- bow: words and pairs of them
bow="-a bow --size tiny --learning-rate 2e-2"
finetune $bow $new -e 2 -o bag --eval test.lms --log bag.jsonl train.lms
below 0.25 "$(last eval_loss bag.jsonl)"
grep -q '"BowForSequenceClassification"' bag/config.json
grep -q '"buckets": 65536' bag/config.json
! grep -q 'num_hidden_layers\|intermediate_size' bag/config.json || fail_ "members of other families: $(cat bag/config.json)"
score -m bag test.lms >report
awk -v a="$(last eval_loss bag.jsonl)" '$1 == "loss" { exit !((a - $2) ^ 2 < 1e-10) }' report || fail_ "$(cat report)"
finetune $bow $new --max-steps 40 -j 1 -o one train.lms
finetune $bow $new --max-steps 40 -j 3 -o three train.lms
cmp one/model.safetensors three/model.safetensors
finetune $bow $new --max-steps 40 -o half --checkpoint bck --save-steps 15 train.lms
rm -r half bck/checkpoint-30
finetune $bow $new --max-steps 40 -o half --checkpoint bck --save-steps 15 --resume train.lms
cmp one/model.safetensors half/model.safetensors
# what it takes is known before it is taken, and refused where that is too much
refuses_ 1 "the optimiser's states take the run to" finetune $bow --size large $new -e 1 --memory 300M -o x train.lms
# a number, and any number of classes
awk -F, 'NR > 1 { print (($1 == "sport") ? 1.5 : -0.5) "," $2 }' train.csv | tok -q -m tokdir --input-format csv --header no --text 2 --label 1 \
    --label-type float >number.lms
finetune $bow $new -e 3 -o number --log number.jsonl number.lms
below 0.3 "$(last loss number.jsonl)"
awk -F, 'NR > 1 { print $1 "," $2 }' train.csv | sed '1i topics,text' |
    tok -q -m tokdir --text text --label topics --label-separator ';' --labels sport,weather,business - >several.lms
finetune $bow $new -e 2 -o several --log several.jsonl several.lms
below 0.3 "$(last loss several.jsonl)"
refuses_ 2 'tag: unknown task of bow: known are base, classify' finetune $bow $new -e 1 -o x tags.lms

# ---- what a config.json may not say
bad() { # TEXT MEMBERS
    echo "{\"model_type\":\"${family}\",$2}" >bad.json
    refuses_ 1 "$1" finetune --config bad.json $new --max-steps 1 -o x train.lms
}
family=lstm
bad 'proj_size: projections of the state are not served' '"proj_size":8'
bad 'pooling: unknown "max": known are last and mean' '"pooling":"max"'
bad 'tie_word_embeddings: the embedding is 8 wide, the state 16' '"hidden_size":16,"embedding_size":8,"tie_word_embeddings":true'
bad 'each has to be at least 1' '"hidden_size":0'
bad 'hidden_size 2000000' '"hidden_size":2000000'
bad 'num_hidden_layers' '"num_hidden_layers":100000'
bad 'bidirectional' '"bidirectional":"yes"'
family=bow
bad 'word_ngrams: n-grams of up to 17 words' '"word_ngrams":17'
bad 'buckets: n-grams need some' '"word_ngrams":2,"buckets":0'
bad 'are too many: give fewer' '"buckets":2147483647'
bad 'hidden_size: 2000000 columns' '"hidden_size":2000000'
