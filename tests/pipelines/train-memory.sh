#!/bin/bash
# What a run takes, what it says that it will take, and how it takes less: --recompute, --memory.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

# ---- blocks that are run again learn the same bits, in every family; dropout, several micro-batches, frozen blocks too
tiny="--tokenizer tokdir --layers 3 --width 32 --heads 2 --max-length 64 --max-steps 3 -b 16 --micro-tokens 150 -q"
for family in bert albert gpt2 llama lstm; do
    for how in "" --recompute; do
        pretrain -a $family $tiny -o $family$how $how corpus.lms 2>err
    done
    cmp $family/model.safetensors $family--recompute/model.safetensors
done
for how in --no-recompute --gradient_checkpointing; do
    finetune -m bert -e 1 -b 32 -q --freeze embeddings,layer.0 --log log -o news$how $how train.lms
    finetune -m bert -e 1 -b 32 -q --freeze embeddings,layer.0 --cache-frozen -o cached$how $how train.lms
done
cmp news--no-recompute/model.safetensors news--gradient_checkpointing/model.safetensors
cmp cached--no-recompute/model.safetensors cached--gradient_checkpointing/model.safetensors
# of both stacks
awk -F, 'NR > 1 { printf "{\"text\":\"%s\",\"target\":\"%s\"}\n", $2, $1 }' train.csv >pairs.jsonl
tok -q -m tokdir --text text --target target pairs.jsonl >pairs.lms
for how in "" --recompute; do
    finetune --task seq2seq -a t5 $tiny -o t5$how $how pairs.lms 2>err
done
cmp t5/model.safetensors t5--recompute/model.safetensors

# ---- what is predicted is what is taken, within a tenth
limited() { # LIMIT COMMAND...: leaves the prediction in $predicted and the most memory in $peak, in MiB
    local limit=$1 key value rest
    shift
    "$@" --memory "$limit" -o out 2>err &
    peak=0
    while kill -0 $! 2>/dev/null; do
        while read -r key value rest; do
            test "$key" != RssAnon: || peak=$((value > peak ? value : peak))
        done 2>/dev/null </proc/$!/status || :
        sleep 0.01
    done
    wait $! || fail_ "$(cat err)"
    peak=$((peak / 1024))
    predicted=$(sed -n 's/.*: memory: \([0-9]*\)M of .*/\1/p' err)
}
# a sanitizer keeps memory of its own beside the program's
sanitized=$(sed -n 's/^LM_CFLAGS = .*\(-fsanitize=[^ ]*\).*/\1/p' "$abs_top_builddir/Makefile")
within_() { # LIMIT
    test "$peak" -le "$1" || fail_ "$peak, and $1 is the limit: $(cat err)"
}
close_() {
    limited 4G "$@"
    test -n "$sanitized" || awk -v p="$predicted" -v m="$peak" 'BEGIN { exit !(p > 30 && p < 1.1 * m && p > 0.9 * m) }' || fail_ "$predicted and $peak: $*"
}
awk '{ printf "%s%s", $0, NR % 6 ? " " : "\n" }' corpus.txt >long.txt
tok -q -m tokdir --max-length 64 long.txt >long.lms
head -n 30 long.txt | tok -q -m tokdir --max-length 64 >held.lms
sed 's/.*/{"text":"&","target":"&"}/' long.txt | tok -q -m tokdir --text text --target target --max-length 64 --max-target-length 32 >long-pairs.lms
large="--tokenizer tokdir --layers 4 --width 128 --heads 2 --max-length 64 --max-steps 2 -b 32"
for how in "" --recompute; do
    close_ pretrain -a bert $large $how long.lms
    close_ pretrain -a gpt2 $large $how --eval held.lms --eval-steps 1 --keep-best long.lms
    close_ finetune --task seq2seq -a t5 $large $how long-pairs.lms
done
# a reference that is asked in each step, too, and a teacher
pretrain -a gpt2 $large -q -o policy long.lms
pretrain -a gpt2 $large --width 256 -q -o teacher long.lms
for how in "" --recompute; do
    close_ distill --task clm --teacher teacher -a gpt2 $large $how long.lms
done
sed 's/.*/{"prompt":"the","chosen":"&","rejected":"a &"}/' long.txt | tok -q -m policy --chat=plain --max-length 64 - >compared.lms 2>/dev/null
close_ align -m policy -b 32 --max-steps 2 compared.lms
close_ align -m policy -b 32 --max-steps 2 --method reward --recompute compared.lms
sed "s/.*/{\"prompt\":\"the\",\"completion\":\"&\",\"good\":true}/" long.txt | tok -q -m policy --chat=plain --label good --max-length 64 - >judged.lms 2>/dev/null
close_ align -m policy -b 32 --max-steps 2 --method kto judged.lms

test -z "$sanitized" || exit 0 # what follows chooses limits by what is measured
limited 60M align -m policy -b 32 --max-steps 2 compared.lms
within_ 60
limited 60M distill --task clm --teacher teacher -a gpt2 $large long.lms
within_ 60

# ---- within a limit: smaller micro-batches, then blocks that are run again, then no
awk '{ printf "%s%s", $0, NR % 25 ? " " : "\n" }' corpus.txt | tok -q -m tokdir --max-length 256 >longer.lms 2>/dev/null
longer="-a gpt2 --tokenizer tokdir --layers 6 --width 128 --heads 2 --max-length 256 --max-steps 2 -b 8"
total() { # OPTION...: what a run would take
    pretrain $longer --plan "$@" longer.lms >plan 2>/dev/null
    awk '$1 == "memory_mib" { print $2 }' plan
}
whole=$(total) row=$(total --micro-tokens 1) least=$(total --micro-tokens 1 --recompute)
test "$whole" -gt $((row + 20)) && test "$row" -gt $((least + 4)) || fail_ "$whole, $row and $least"
limited $((whole - 10))M pretrain $longer longer.lms
within_ $((whole - 10))
! grep -q 'run again' err || fail_ "$(cat err)"
limited $((row - 2))M pretrain $longer --checkpoint saved --save-steps 1 longer.lms
within_ $((row - 2))
grep -q 'micro-batches of [0-9]* tokens, blocks run again in the backward pass' err || fail_ "$(cat err)"
grep -rqE '"recompute": *true' saved
same_ yes "$(total --memory $((row - 2))M >/dev/null; awk '$1 == "recompute" { print $2 }' plan)"
grep -q '^with_adamw_8bit_mib	' plan
refuses_ 1 'longest row alone (256 tokens), with blocks run again, takes the run to ' \
    pretrain $longer -o none --memory $((least - 3))M longer.lms
grep -q 'cut them to [1-9][0-9]* tokens (tok --max-length), give --optimizer adamw_8bit, with which it is [0-9]*M' err || fail_ "$(cat err)"
refuses_ 1 'take the run to ' pretrain $longer -o none --memory 6M longer.lms
test ! -e none
