#!/bin/bash
# New models: families and their sizes, --config, what there is (--list-archs); plugins that are no good.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"
bad=$abs_top_builddir/tests/badplug/.libs

# ---- sizes: the numbers of a config.json
new() { pretrain -q --max-steps 1 -b 2 --max-length 64 "$@" -o new corpus.lms; }
has() { # NAME VALUE...
    while test $# -gt 0; do
        grep -qx " *\"$1\": $2,*" new/config.json || fail_ "line ${BASH_LINENO[0]}: not \"$1\": $2 in $(cat new/config.json)"
        shift 2
    done
}
new -a bert --size tiny
has hidden_size 128 num_hidden_layers 2 num_attention_heads 2 intermediate_size 512 max_position_embeddings 64
has vocab_size "$(wc -l <tokdir/vocab.txt)" pad_token_id 0
# a width alone keeps the proportions of the size
new -a bert --width 64
has hidden_size 64 num_hidden_layers 4 num_attention_heads 1 intermediate_size 256
new -a bert --size small --layers 1 --width 96 --heads 3 --inner 100
has hidden_size 96 num_hidden_layers 1 num_attention_heads 3 intermediate_size 100
# a family's own sizes, and names of its own for them
new -a electra --size small --layers 1
has hidden_size 256 num_hidden_layers 1 num_attention_heads 4 intermediate_size 1024 embedding_size 128
new -a distilbert --size tiny --layers 1
has dim 128 n_layers 1 n_heads 2 hidden_dim 512
! grep -q hidden_size new/config.json || fail_ "a member has two names"
# special tokens are the tokenizer's, which has no bos and no eos
new -a roberta --layers 1 --width 32 --heads 2
has bos_token_id null eos_token_id null pad_token_id 0
# --config: as it is, or with a size
mv new/config.json own.json
new --config own.json
cmp own.json new/config.json
new --config own.json --size tiny --layers 1
has hidden_size 128 num_hidden_layers 1 num_attention_heads 2
new -a roberta --config own.json
cmp own.json new/config.json
refuses_ 2 '-a bert: but own.json is of the family roberta' new -a bert --config own.json
refuses_ 2 '--size huge: unknown: electra has tiny, mini, small, medium, base, large' new -a electra --size huge
refuses_ 1 'model_type "brt": no plugin serves it (known: albert, bert' new -a brt
sed '/model_type/d' own.json >none.json
refuses_ 1 'none.json: model_type is missing' new --config none.json

# a run that goes on has the network that it began with
new -a bert --layers 1 --width 32 --checkpoint ck --max-steps 2 --save-steps 1
refuses_ 2 'has --architecture "bert --layers 1 --width 32 --max-length 64", and now it is "bert --layers 1 --width 64' \
    new -a bert --layers 1 --width 64 --checkpoint ck --resume --max-steps 2 --save-steps 1

# ---- finetune makes them too, and needs no pretrained model
finetune -q -a bert --layers 1 --width 32 --heads 2 --max-length 64 --tokenizer tokdir -b 16 -e 3 --learning-rate 3e-3 -o new train.lms
grep -q BertForSequenceClassification new/config.json
tok -q -m new --text text --label label test.csv | score -m new --fail-under accuracy=0.6 >report
refuses_ 2 'one of them' finetune -a bert -m new -o x train.lms
refuses_ 2 'which model' finetune -o x train.lms
refuses_ 2 'give -a NAME' finetune -m new --size tiny -o x train.lms
refuses_ 2 'give -a NAME' finetune -m new --layers 2 -o x train.lms
refuses_ 2 '--list-archs: give both' finetune -m new --json -o x train.lms
finetune --list-parameters -a bert --layers 1 --width 32 --tokenizer tokdir --freeze embeddings >parameters
grep -q "^bert.embeddings.word_embeddings.weight.*$(wc -l <tokdir/vocab.txt)" parameters || fail_ "$(cat parameters)"
refuses_ 2 'name one with --tokenizer' finetune --list-parameters -a bert
refuses_ 2 'up to tok' finetune -m new --max-length 64 -o x train.lms

# ---- what there is
score --list-archs >archs
same_ "albert bert distilbert electra" "$(cut -f 2 archs | grep -E '^(albert|bert|distilbert|electra)$' | paste -s -d ' ')"
awk -F '\t' '$1 == "roberta" && $2 == "roberta,xlm-roberta,camembert" && $3 ~ /(^|,)classify(,|$)/ && $4 == "-" && $5 ~ /\/roberta.so$/ { found = 1 }
    $1 == "electra" && $4 != "small,base,large" { exit 1 } END { exit !found }' archs || fail_ "$(cat archs)"
pretrain --list-archs | cmp archs -
finetune --list-archs --plugin "$bad/good.so" >more
same_ "bad	bad	base	-	$bad/good.so" "$(head -n 1 more)"
sed 1d more | cmp archs -
score --list-archs --json >archs.json
pretrain --list-archs --json | cmp archs.json -
grep -q '"XLMRobertaForMaskedLM"' archs.json
grep -q '"task": "answer"' archs.json

# ---- plugins that are no good are told of, and what is good beside them is found
mkdir plugins
for name in magic abi size short arch nosymbol nothing noblock undefined; do
    ln -s "$bad/$name.so" plugins/
done
echo 'text' >plugins/text.so
: >plugins/empty.so
ln -s /nonexistent plugins/gone.so
ln -s "$bad/good.so" plugins/
LMUTILS_PLUGIN_PATH=$work/plugins score --list-archs >good 2>err
same_ "$work/plugins/good.so" "$(cut -f 5 good)"
for name in magic abi size short arch nosymbol nothing noblock undefined text empty gone; do
    grep -q "refused: $work/plugins/$name.so: " err || fail_ "$name.so is passed over in silence: $(cat err)"
done
LMUTILS_PLUGIN_PATH=/nonexistent refuses_ 1 'tried /nonexistent (No such' score --list-archs
refuses_ 1 abi.so score --list-archs --plugin "$bad/abi.so"
ln -s "$bad/twin.so" plugins/
LMUTILS_PLUGIN_PATH=$work/plugins refuses_ 1 'two plugins serve the model_type "bad"' new -a bad
# one that ends the program as soon as it is loaded is named, and nobody takes it for success
for name in crash leave; do
    refuses_ 1 "$bad/$name.so: the plugin crashes or exits" score --list-archs --plugin "$bad/$name.so"
done
ln -s "$bad/crash.so" plugins/
LMUTILS_PLUGIN_PATH=$work/plugins refuses_ 1 "crash.so: the plugin crashes" new -a bert
