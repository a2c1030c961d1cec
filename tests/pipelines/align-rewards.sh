#!/bin/bash
# align: the model answers prompts, and learns from what its answers are worth: by rules, by a model, by a program of the user's.
. "$(dirname "$0")/init.sh"

entry() { # NAME FILE: of the first line of a log that has it
    sed -n "s|.*\"$1\":\\([-0-9.e+]*\\).*|\\1|p" "$2" | head -n 1
}
last() { # NAME FILE
    sed -n "s|.*\"$1\":\\([-0-9.e+]*\\).*|\\1|p" "$2" | tail -n 1
}
above() { # A B
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && a > b) }' || fail_ "$1 is not above $2"
}

# ---- a model that says one of some words, and knows no better
mkdir tokdir
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' red green blue sky grass say '<' '>' '/' think 1 2 3 >tokdir/vocab.txt
awk 'BEGIN { split("red green blue", w, " "); for (i = 0; i < 240; i++) print (i % 2 ? "say sky " : "say grass ") w[i % 3 + 1] }' >corpus.txt
tok -q -m tokdir corpus.txt >corpus.lms
pretrain -a gpt2 --layers 1 --width 32 --heads 2 --max-length 16 -b 16 --learning-rate 5e-3 -e 4 -q -o base corpus.lms
awk 'BEGIN { for (i = 0; i < 32; i++) print (i % 2 ? "{\"q\":\"say sky\",\"a\":\"blue\"}" : "{\"q\":\"sky say\",\"a\":\"blue\"}") }' >ask.jsonl
tok -q -m base --no-special --text q --label a ask.jsonl >ask.lms
fit="-b 8 -j 1 -q --max-new-tokens 3 --learning-rate 5e-3 --schedule constant --logging-steps 1"

# ---- what is rewarded is said more often
for how in "grpo" "grpo --loss-type grpo" "grpo --loss-type dr-grpo" "grpo --loss-type cispo" "grpo --importance-sampling-level sequence" \
    "grpo --num-iterations 2 --beta 0.04" "rloo --num-generations 4" "ppo --num-generations 4"; do
    align -m base --method $how $fit -e 4 --reward contains --log log.jsonl -o x ask.lms
    above "$(last reward log.jsonl)" "$(entry reward log.jsonl)"
done
align -m base --method grpo $fit -e 6 --reward contains --eval ask.lms --rollouts rolled.jsonl --log log.jsonl -o better ask.lms
above "$(last eval_reward log.jsonl)" 0.9
test "$(grep -c '"step":0,' rolled.jsonl)" = 64 || fail_ "not 8 answers to each of 8 prompts"
grep -q '"rewards":{"contains":' rolled.jsonl || fail_ "$(head -n 1 rolled.jsonl)"

# threads and the number of answers at a time change nothing; a run that was stopped ends in the same bytes
run="-m base --method ppo $fit -e 2 --reward contains"
align $run -o one --checkpoint ck --save-steps 3 --keep 9 ask.lms
align $run -o other --generation-batch-size 3 ask.lms
cmp one/model.safetensors other/model.safetensors
rm -r ck/checkpoint-6
align $run -o again --checkpoint ck --save-steps 3 --keep 9 --resume ask.lms
cmp one/model.safetensors again/model.safetensors

# ---- a program of the user's: JSON in, a number out; a model of rewards; several by weight
cat >judge <<'END'
#!/bin/bash
while read -r line; do case $line in *'"completion":'*green*) echo 1 ;; *) echo 0 ;; esac; done
END
chmod +x judge
align -m base --method grpo $fit -e 4 --reward-cmd ./judge --log log.jsonl -o x ask.lms
above "$(last rewards/judge/mean log.jsonl)" "$(entry rewards/judge/mean log.jsonl)"
cat >pairs.jsonl <<'END'
{"prompt":"say sky","chosen":"blue","rejected":"red"}
{"prompt":"say grass","chosen":"blue","rejected":"green"}
END
echo '{% for m in messages %}{% if m.role == "assistant" %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }} {% endif %}{% endfor %}' >plain.jinja
for i in 1 2 3 4 5 6; do cat pairs.jsonl; done | tok -q -m base --chat=plain.jinja - | align -m base --method reward -b 4 -q -j 1 -e 4 --learning-rate 3e-3 -o likes
align -m base --method grpo $fit -e 1 --reward likes --reward length=1-3 --reward-weights 1,0.5 --log log.jsonl -o x ask.lms
entry rewards/likes/mean log.jsonl | grep -q . || fail_ "no reward of the model"
awk -v a="$(entry reward log.jsonl)" -v b="$(entry rewards/likes/mean log.jsonl)" -v c="$(entry rewards/length=1-3/mean log.jsonl)" \
    'BEGIN { d = a - b - c / 2; exit !(d < 1e-4 && d > -1e-4) }' || fail_ "rewards do not add up"

# ---- an adapter
align -m base --lora -r 4 --method grpo $fit --learning-rate 2e-2 -e 4 --reward contains --log log.jsonl -o adapter ask.lms
above "$(last reward log.jsonl)" "$(entry reward log.jsonl)"

# ---- judges that are no good
fails() { # TEXT COMMAND: in place of the judge
    refuses_ 1 "$1" align -m base --method grpo $fit --max-steps 1 --reward-timeout 0.5 --reward-cmd "$2" -o none ask.lms
    test ! -e none
}
fails "it answered 'good'" 'while read -r x; do echo good; done'
fails 'number' 'while read -r x; do echo nan; done'
fails 'reward-cmd' 'exit 3'
fails 'reward-cmd' 'sleep 100'
fails 'reward-cmd' 'while read -r x; do echo 1; echo 2; done'
fails 'reward-cmd' ./no-such-judge
# one that dies now and then is started again
cat >mortal <<'END'
#!/bin/bash
for i in 1 2 3 4 5; do read -r line || exit 0; echo 1; done
exit 3
END
chmod +x mortal
align -m base --method grpo $fit --max-steps 1 --reward-cmd ./mortal --log log.jsonl -o x ask.lms
test "$(entry reward log.jsonl)" = 1.0 || fail_ "$(cat log.jsonl)"

# ---- an answer may be empty: its end is learned
awk 'BEGIN { split("red green blue", w, " "); for (i = 0; i < 240; i++) print "say sky" (i % 4 ? "" : " " w[i % 3 + 1]) }' | tok -q -m tokdir - |
    pretrain -a gpt2 --layers 1 --width 32 --heads 2 --max-length 16 -b 16 --learning-rate 5e-3 -e 4 -q -o hushed
echo "{\"eos_token_id\":3}" >hushed/generation_config.json
for method in grpo "ppo --num-generations 4"; do
    align -m hushed --method $method $fit -e 4 --reward 'regex=^.*e' --rollouts rolled.jsonl --log log.jsonl -o x \
        --reward-cmd 'while read -r x; do case $x in *completion\":\"\",*) echo -1 ;; *) echo 1 ;; esac; done' ask.lms
    grep -q '"step":0,.*"completion":"","label":"blue","tokens":1,"truncated":false,"reward":-1,' rolled.jsonl || fail_ "no empty answer: $(head -n 3 rolled.jsonl)"
    above "$(last reward log.jsonl)" "$(entry reward log.jsonl)"
done

# ---- usage and bad input
refuses_ 2 'what are answers worth' align -m base --method grpo $fit -o x ask.lms
refuses_ 2 'give --method grpo' align -m base $fit --reward contains -o x ask.lms
refuses_ 2 'is of --method dpo' align -m base --method grpo --loss-type ipo --reward contains $fit -o x ask.lms
refuses_ 2 'is not swept' align -m base --method grpo --reward contains --sweep beta=0,0.1 --eval ask.lms $fit -o x ask.lms
refuses_ 2 'is of --method grpo' align -m base --loss-type dapo -q -o x ask.lms
refuses_ 2 'no use for it' align -m base --method rloo --delta 2 --reward contains $fit -o x ask.lms
refuses_ 2 'give 2 at least' align -m base --method grpo --num-generations 1 --reward contains $fit -o x ask.lms
refuses_ 2 'of what' align -m base --method grpo --reward regex $fit -o x ask.lms
refuses_ 2 'regex=(' align -m base --method grpo --reward 'regex=(' $fit -o x ask.lms
refuses_ 2 '2 numbers, and there are 1' align -m base --method grpo --reward contains --reward-weights 1,2 $fit -o x ask.lms
refuses_ 1 'it has no label' align -m base --method grpo --reward exact $fit --max-steps 1 -o x corpus.lms
awk 'BEGIN { for (i = 0; i < 16; i++) printf "say "; print "" }' | tok -q -m base - >long.lms
refuses_ 1 'make it shorter' align -m base --method grpo --reward length=1-3 $fit -o x long.lms
# what cannot be known, or shared, is refused before anything is read
for option in --memory=1G --plan; do refuses_ 2 'how long answers become' align -m base --method grpo --reward contains $option $fit -o x nowhere.lms; done
for option in '--packing wrapped' '--label-smoothing 0.1' '--replay ask.lms=0.5'; do
    refuses_ 2 'rows that are learned from as they stand' align -m base --method grpo --reward contains $option $fit -o x nowhere.lms
done
