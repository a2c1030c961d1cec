#!/bin/bash
# What a run tells programs: --log, --tensorboard, trainer_state.json and the model card, also of a run that was resumed.
. "$(dirname "$0")/init.sh"
needs_program_ python3
. "$abs_top_srcdir/tests/pipelines/train-words.inc"
decode() {
    python3 "$abs_top_srcdir/tests/pipelines/event_files.py" "$@"
}
pretrain $small -b 16 --max-steps 4 -q -o tiny corpus.lms

# ---- one run, and the same killed twice: the names are the same in both, for they stand in the card
mkdir whole parts
for dir in whole parts; do
    for file in tiny train.lms test.lms; do
        ln -s "../$file" $dir
    done
done
run="finetune -m tiny -b 16 --learning-rate 2e-2 --max-steps 30 --logging-steps 4 --eval test.lms --eval-steps 10 --keep-best --best-metric accuracy
    -q -o model --log run.jsonl --tensorboard tb/run --checkpoint ck --save-steps 5 --keep 0 --resume train.lms"
(cd whole && $run)
(
    cd parts
    for step in 5 15; do
        $run &
        pid=$!
        while ! test -e ck/checkpoint-$step/MANIFEST && kill -0 $pid; do
            sleep 0.01
        done
        kill -9 $pid || :
        wait $pid || :
        test ! -e model || fail_ "a run of 30 steps was over before it could be killed"
    done
    $run
)
diff -r whole/model parts/model || fail_ "the run that was killed leaves another model directory"

# ---- the event file: one, whatever happened, with all that is in the log, under transformers' tags
for dir in whole parts; do
    test "$(ls $dir/tb/run | wc -l)" = 1 || fail_ "$(ls $dir/tb/run)"
    decode $dir/tb/run/events.out.tfevents.[0-9]* >$dir/events
    python3 - $dir/run.jsonl >$dir/expected <<'END'
import json, struct, sys
for line in open(sys.argv[1]):
    entry = json.loads(line)
    for name, value in entry.items():
        if name != "step":
            tag = "eval/" + name[5:] if name.startswith("eval_") else "train/" + name
            print(entry["step"], tag, repr(struct.unpack("<f", struct.pack("<f", value))[0]), sep="\t")
END
    grep -v '^version\|^start' $dir/events >$dir/scalars
    compare_ <(cut -f 1,2 $dir/expected) <(cut -f 1,2 $dir/scalars)
    # the log has nine digits of each
    paste $dir/expected $dir/scalars | awk -F'\t' '{ d = $3 - $6; if (d < 0) d = -d } d > 1e-6 * ($3 < 0 ? -$3 : $3) { bad = 1 } END { exit bad }' ||
        fail_ "$(paste $dir/expected $dir/scalars)"
done
same_ "version brain.Event:2" "$(head -n 1 whole/events)"
same_ 0 "$(grep -c start whole/events || :)"
same_ "version brain.Event:2 start" "$(head -n 2 parts/events | xargs)"
for tag in train/loss train/grad_norm train/learning_rate train/epoch eval/loss eval/accuracy eval/runtime train/train_runtime \
    train/total_flos train/train_loss; do
    grep -q "	$tag	" whole/events || fail_ "no $tag: $(cat whole/events)"
done
compare_ <(grep -v 'runtime\|per_second' whole/scalars) <(grep -v 'runtime\|per_second' parts/scalars)
# a file that is cut or changed is noticed by the decoder
head -c -1 whole/tb/run/events* >cut
printf 'x' | dd of=cut bs=1 seek=100 conv=notrunc status=none
! decode cut >out 2>&1 || fail_ "the decoder takes anything"
# another run beside it leaves it alone
finetune -m tiny --max-steps 2 -q -o other --tensorboard whole/tb/run train.lms
test "$(ls whole/tb/run | wc -l)" = 2 || fail_ "$(ls whole/tb/run)"
refuses_ 1 "tiny/config.json" finetune -m tiny --max-steps 2 -q -o other --tensorboard tiny/config.json train.lms
# what it cannot write, it says, and goes on
(
    trap '' XFSZ
    ulimit -f 2 # KiB
    finetune -m tiny --max-steps 30 -o - --logging-steps 1 --tensorboard full train.lms
) 2>&1 >/dev/null | cat >said
grep -q 'warning: full/events.out.tfevents.*the log ends here' said || fail_ "$(cat said)"
grep -q 'step 30/30' said

# ---- trainer_state.json: transformers' keys, of a checkpoint with the times and of a model without
python3 - <<'END'
import json
keys = """best_global_step best_metric best_model_checkpoint epoch eval_steps global_step is_hyper_param_search
    is_local_process_zero is_world_process_zero log_history logging_steps max_steps num_input_tokens_seen num_train_epochs
    save_steps stateful_callbacks total_flos train_batch_size trial_name trial_params""".split()
text = open("whole/model/trainer_state.json").read()
state = json.loads(text)
assert list(state) == keys, list(state)
assert text == json.dumps(state, indent=2) + "\n"
assert state["global_step"] == state["max_steps"] == 30 and state["train_batch_size"] == 16
assert state["logging_steps"] == 4 and state["eval_steps"] == 10 and state["save_steps"] == 5
log = [json.loads(line) for line in open("whole/run.jsonl")]
times = lambda name: name.endswith("_runtime") or name.endswith("_per_second")
assert len(log) == len(state["log_history"])
for entry, kept in zip(log, state["log_history"]):
    assert set(kept) == {name for name in entry if not times(name)}, (entry, kept)
    assert all(abs(kept[name] - entry[name]) <= 1e-8 * abs(entry[name]) for name in kept)
best = max((e["eval_accuracy"], -e["step"]) for e in log if "eval_accuracy" in e)
assert abs(state["best_metric"] - best[0]) < 1e-8 and state["best_global_step"] == -best[1], state
assert state["best_model_checkpoint"] == "ck/checkpoint-%d" % -best[1]
end = log[-1]
assert set(end) == {"train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos", "train_loss",
                    "epoch", "step", "trained_parameters"}, end
assert abs(end["total_flos"] - state["total_flos"]) < 1e-8 * end["total_flos"]
part = json.load(open("whole/ck/checkpoint-25/trainer_state.json"))
assert part["global_step"] == 25 and any("eval_runtime" in e for e in part["log_history"])
# 6 for each token and each parameter that is no embedding's
import struct
data = open("whole/model/model.safetensors", "rb").read()
header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
def size(shape):
    n = 1
    for s in shape:
        n *= s
    return n
n = sum(size(t["shape"]) for name, t in header.items() if name != "__metadata__" and "embeddings.weight" not in name)
assert state["total_flos"] == 6 * n * state["num_input_tokens_seen"], (state["total_flos"], n)
END

# ---- the card: the results of training, and a model-index that the hub takes
grep -q '^| training loss | epoch | step | eval_loss | eval_accuracy' whole/model/README.md
test "$(sed -n '/^## Training results/,/^## Evaluation/p' whole/model/README.md | grep -c '^| [0-9]')" = 3
grep -A 1 '^    dataset:' whole/model/README.md | grep -q '^      name: "test"'
grep -q '^      type: "accuracy"' whole/model/README.md
accuracy=$(sed -n 's/.*"best_metric": \([0-9.]*\),/\1/p' whole/model/trainer_state.json)
awk -F'|' -v a="$accuracy" '$2 ~ /eval_accuracy/ && ($3 - a) ^ 2 < 1e-10 { ok = 1 } END { exit !ok }' whole/model/README.md ||
    fail_ "the card has not the figures of the weights that are written"
pretrain $small -b 4 --max-steps 60 --logging-steps 1 -q -o plain corpus.lms
test "$(sed -n '/^## Training results/,$p' plain/README.md | grep -c '^| [0-9]')" = 40
grep '^| [0-9]' plain/README.md | tail -n 1 | grep -q '| 60 |$'
! grep -q 'trainer_state\|model-index' plain/README.md || fail_ "$(cat plain/README.md)"

# ---- a new model takes the place of an old one's state
finetune -m tiny --max-steps 3 -q -o plain train.lms
grep -q '"global_step": 3' plain/trainer_state.json

# ---- a progress line on a terminal: loss, rate, tokens/s, memory, and, once it has run for a second, the time left
if command -v script >/dev/null; then
    run="stty cols 132; exec pretrain $small --max-steps 1000000 -q --progress always -o shown corpus.lms"
    timeout 60 script -qefc "$run" /dev/null </dev/null >said &
    until tr '\r' '\n' <said | grep -q 'training.*steps.*left, loss [0-9.]* lr [0-9.e-]* [0-9]* tok/s [0-9]* MiB'; do
        kill -0 $! || fail_ "$(tr '\r' '\n' <said)"
        sleep 0.1
    done
    kill $!
    wait $! || :
fi
