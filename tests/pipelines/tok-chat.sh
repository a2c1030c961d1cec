#!/bin/bash
# tok --chat: conversations in every form that people write them in, the loss on what the assistant says, and no silent
# loss of it.
. "$(dirname "$0")/init.sh"

mkdir model
{
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' system user assistant model be brief hello hi yes no why 안녕 세계 '<' '>' '/' \
        '|' think hm tool f '{' '}' '"' : 1 '[' ']' a b c
} >model/vocab.txt
cat >model/tokenizer_config.json <<'END'
{"do_lower_case": false, "strip_accents": false, "model_max_length": 64, "bos_token": "<s>", "eos_token": "</s>", "added_tokens_decoder": {
 "35": {"content": "<s>", "special": true}, "36": {"content": "</s>", "special": true},
 "37": {"content": "<|im_start|>", "special": true}, "38": {"content": "<|im_end|>", "special": true}}}
END

# The tokens of each row, those with loss in brackets.
show() {
    awk '{
        match($0, /"tokens":\[[^]]*\]/); t = substr($0, RSTART + 10, RLENGTH - 11)
        mask = ""
        if (match($0, /"loss_mask":\[[^]]*\]/)) mask = substr($0, RSTART + 13, RLENGTH - 14)
        n = split(t, tokens, ","); split(mask, m, ",")
        for (i = 1; i <= n; i++) {
            gsub(/^"|"$/, "", tokens[i])
            if (m[i] == 1) tokens[i] = "(" tokens[i] ")"
            printf "%s%s", (i == 1 ? "" : " "), tokens[i]
        }
        print ""
    }'
}

# ---- every form of a record gives the same row
cat >forms.jsonl <<'END'
{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"yes"}]}
{"conversations":[{"from":"human","value":"hello"},{"from":"gpt","value":"yes"}]}
{"conversation":[{"role":"human","content":"hello"},{"role":"gpt","content":"yes"}]}
{"messages":"[{\"role\":\"user\",\"content\":\"hello\"},{\"role\":\"assistant\",\"content\":\"yes\"}]"}
{"prompt":"hello","completion":"yes"}
{"prompt":[{"role":"user","content":"hello"}],"completion":[{"role":"assistant","content":"yes"}]}
{"instruction":"hello","input":"","output":"yes"}
{"question":"hello","answer":"yes"}
{"instruction":"hello","response":"yes"}
END
echo '<|im_start|> user hello <|im_end|> <|im_start|> assistant (yes) (<|im_end|>)' >row
tok -m model --chat=chatml --json forms.jsonl | show | sort | uniq -c | sed -E 's/^ *//' >got
sed 's/^/9 /' row >want
compare_ want got
printf 'Q,A,label\nhello,yes,0\n' >talk.csv
tok -q -m model --chat chatml --text Q --pair A --json talk.csv | show >got
compare_ row got
echo '{"data":{"turns":[{"role":"user","content":"hello"},{"role":"assistant","content":"yes"}]}}' >nested.jsonl
tok -m model --chat chatml --text .data.turns --json nested.jsonl | show >got
compare_ row got
echo '[{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"yes"}]}]' >talk.json
tok -m model --chat chatml --json <talk.json | show >got
compare_ row got

# ---- what surrounds the turns: a system message, history, an input, calls of tools
cat >more.jsonl <<'END'
{"conversations":[{"from":"human","value":"hi"},{"from":"gpt","value":"yes"}],"system":"be brief"}
{"instruction":"hello","input":"a b","output":"no","history":[["hi","yes"]]}
{"conversations":[{"from":"human","value":"hi"},{"from":"function_call","value":"{\"name\":\"f\"}"},{"from":"observation","value":"1"},{"from":"gpt","value":"yes"}]}
END
cat >want <<'END'
<|im_start|> system be brief <|im_end|> <|im_start|> user hi <|im_end|> <|im_start|> assistant (yes) (<|im_end|>)
<|im_start|> user hi <|im_end|> <|im_start|> assistant yes <|im_end|> <|im_start|> user hello a b <|im_end|> <|im_start|> assistant (no) (<|im_end|>)
<|im_start|> user hi <|im_end|> <|im_start|> assistant (<|im_end|>) <|im_start|> tool 1 <|im_end|> <|im_start|> assistant (yes) (<|im_end|>)
END
tok -m model --chat=chatml --json more.jsonl | show >got
compare_ want got
cat >tools.jinja <<'END'
{{ bos_token }}{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}{{ m.role }}
{%- if m.tool_calls %} {{ m.tool_calls[0].function | tojson }}{% endif %}{{ m.content }}{{ eos_token }}{% endfor %}
END
tok -m model --chat=tools.jinja --json --keep-text more.jsonl | grep -o '"text":.*' >got
cat >want <<'END'
"text":"<s>systembe brief</s>userhi</s>assistantyes</s>"}
"text":"<s>userhi</s>assistantyes</s>userhello\na b</s>assistantno</s>"}
"text":"<s>userhi</s>assistant {\"name\": \"f\"}</s>tool1</s>assistantyes</s>"}
END
compare_ want got
echo '{"prompt":"hi","completion":"yes","tools":"[{\"name\":\"안녕\"}]","chat_template_kwargs":{"eos_token":"!"}}' |
    tok -m model --chat=tools.jinja --json --keep-text | grep -o '"text":.*' >got
echo '"text":"<s>{\"name\": \"안녕\"}userhi!assistantyes!"}' >want
compare_ want got

# an answer that is JSON is an answer
echo '{"prompt":"hi","completion":"[\"a\", \"b\"]"}' | tok -m model --chat=chatml --json --keep-text | grep -o '"text":.*' >got
echo '"text":"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[\"a\", \"b\"]<|im_end|>\n"}' >want
compare_ want got

# ---- a template without marks: the same loss, the end of the turn included, also where an earlier turn is written otherwise
cat >unmarked.jinja <<'END'
{%- for m in messages %}
{%- set content = m.content %}
{%- if m.role == 'assistant' and not loop.last and '</think>' in content %}{% set content = content.split('</think>')[-1].strip() %}{% endif %}
{{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}
END
cat >turns.jsonl <<'END'
{"messages":[{"role":"system","content":"be"},{"role":"user","content":"hi"},{"role":"assistant","content":"<think>hm</think> yes"},{"role":"user","content":"why"},{"role":"assistant","content":"안녕 세계"}]}
{"messages":[{"role":"user","content":"yes"},{"role":"assistant","content":"yes"},{"role":"user","content":"yes"},{"role":"assistant","content":"yes yes"}]}
END
cat >want <<'END'
<|im_start|> system be <|im_end|> <|im_start|> user hi <|im_end|> <|im_start|> assistant (yes) (<|im_end|>) <|im_start|> user why <|im_end|> <|im_start|> assistant (안녕) (세계) (<|im_end|>)
<|im_start|> user yes <|im_end|> <|im_start|> assistant (yes) (<|im_end|>) <|im_start|> user yes <|im_end|> <|im_start|> assistant (yes) (yes) (<|im_end|>)
END
tok -m model --chat=unmarked.jinja --json turns.jsonl | show >got
compare_ want got
# one that opens an answer whether it is asked to or not
cat >always.jinja <<'END'
{% for m in messages %}{{ '<s>' + m.role + ' ' + m.content + '</s>' }}{% endfor %}{{ '<s>assistant ' }}
END
tok -m model --chat=always.jinja --json turns.jsonl | show | tail -n 1 >got
echo '<s> user yes </s> <s> assistant (yes) (</s>) <s> user yes </s> <s> assistant (yes) (yes) (</s>) <s> assistant' >want
compare_ want got
# marks that end before the end-of-turn token: it carries loss, and that is said
echo '{% for m in messages %}{{ m.role }} {% generation %}{{ m.content if m.role == "assistant" }}{% endgeneration %}<|im_end|>{% endfor %}' >short.jinja
tok -m model --chat=short.jinja --json forms.jsonl 2>err | show | sed -n 1p >got
echo 'user <|im_end|> assistant (yes) (<|im_end|>)' >want
compare_ want got
grep -q 'end before the end-of-turn token: it carries loss' err || fail_ "nothing is said of the end-of-turn token"

# ---- the tokenizer's own template, from its configuration or beside it
refuses_ 2 'no chat template: give one, as in --chat=chatml' tok -m model --chat --ids forms.jsonl
cp -r model own
cp unmarked.jinja own/chat_template.jinja
tok -m own --chat --json turns.jsonl | show >beside
sed 's/"model_max_length"/"chat_template": "{% for m in messages %}{{ m.role }} {% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% endfor %}", "model_max_length"/' \
    model/tokenizer_config.json >own/tokenizer_config.json
tok -m own --chat --json turns.jsonl | show >got
compare_ beside got
rm own/chat_template.jinja
tok -m own --chat --json forms.jsonl | show | sed -n 1p >got
echo 'user (hello) (</s>) assistant (yes) (</s>)' >want
compare_ want got
tok -m model --chat=own/tokenizer_config.json --json forms.jsonl | show | sed -n 1p >got
compare_ want got

# ---- <think>
tok -m model --chat=chatml --json turns.jsonl | show | sed -n 1p >got
grep -q 'assistant (<) (think) (>) (hm) (<) (/) (think) (>) (yes) (<|im_end|>)' got || fail_ "--think keep: $(cat got)"
tok -m model --chat=chatml --think drop --json turns.jsonl | show | sed -n 1p >got
grep -q 'assistant (yes) (<|im_end|>)' got || fail_ "--think drop: $(cat got)"
echo '{"messages":[{"role":"user","content":"<think>a</think>"},{"role":"assistant","content":"hm</think>yes<think>no</think>\n b<think>c","reasoning_content":"hm"}]}' |
    tok -m model --chat=chatml --think drop --json --keep-text | grep -o '"text":.*' >got
echo '"text":"<|im_start|>user\n<think>a</think><|im_end|>\n<|im_start|>assistant\nyesb<|im_end|>\n"}' >want
compare_ want got

# ---- a prompt to be answered, without a mask
tok -m model --chat=chatml --generation-prompt --json forms.jsonl | sed -n 1p | show >got
echo '<|im_start|> user hello <|im_end|> <|im_start|> assistant yes <|im_end|> <|im_start|> assistant' >want
compare_ want got
echo '{"prompt":"hi"}' | tok -m model --chat chatml --generation-prompt >prompt.lms
grep -aq loss_mask prompt.lms && fail_ "a prompt has a loss mask"

# ---- the stream
tok -m model --chat=chatml --offsets --keep-text -o chat.lms forms.jsonl
lms --check chat.lms >got
grep -q 'good: tokens, .* 9 examples' got || fail_ "the stream is not good"
grep -aq '"loss_mask":{"dtype":"U8"' chat.lms || fail_ "no loss_mask"
grep -aq '"fields"' chat.lms && fail_ "what went into the template is passed on as fields"
echo '{"prompt":"hi","completion":"yes","source":"web","id":7}' | tok -m model --chat chatml >fields.lms
grep -aq '"id":\[7\],"fields":{"source":\["web"\]}' fields.lms || fail_ "other fields are lost"
for threads in 1 3; do
    for i in 1 2 3 4 5 6 7 8 9; do cat turns.jsonl more.jsonl; done | OMP_NUM_THREADS=$threads tok -q -m model --chat=unmarked.jinja --json >threads-$threads
done
compare_ threads-1 threads-3
# packed rows keep their masks
tok -m model --chat=chatml --pack 12 --json turns.jsonl | show >got
cat >want <<'END'
<|im_start|> system be <|im_end|> <|im_start|> user hi <|im_end|> <|im_start|> assistant (<) (think)
(>) (hm) (<) (/) (think) (>) (yes) (<|im_end|>) <|im_start|> user why <|im_end|>
<|im_start|> assistant (안녕) (세계) (<|im_end|>) <|im_start|> user yes <|im_end|> <|im_start|> assistant (yes)
(<|im_end|>) <|im_start|> user yes <|im_end|> <|im_start|> assistant (yes) (yes) (<|im_end|>)
END
compare_ want got
tok -m model --chat=chatml --pack 40 --pack-strategy best-fit --json turns.jsonl | show >got
grep -q '^<|im_start|> user yes <|im_end|> <|im_start|> assistant (yes)' got || fail_ "best-fit loses masks: $(cat got)"

# ---- preference pairs
cat >pairs.jsonl <<'END'
{"prompt":"hi","chosen":"yes","rejected":"no"}
{"prompt":[{"role":"user","content":"hi"}],"chosen":[{"role":"assistant","content":"yes"}],"rejected":[{"role":"assistant","content":"no"}]}
{"chosen":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"}],"rejected":[{"role":"user","content":"hi"},{"role":"assistant","content":"no"}]}
{"conversations":[{"from":"human","value":"hi"}],"chosen":{"from":"gpt","value":"yes"},"rejected":{"from":"gpt","value":"no"}}
{"chosen":"\n\nHuman: hi\n\nAssistant: yes","rejected":"\n\nHuman: hi\n\nAssistant: no"}
END
tok -m model --chat=chatml --json pairs.jsonl | sed 's/"row":[0-9]*,//' | sort -u >got
echo '{"ids":[37,5,11,38,37,6],"tokens":["<|im_start|>","user","hi","<|im_end|>","<|im_start|>","assistant"],"chosen":{"ids":[37,5,11,38,37,6,12,38],"loss_mask":[0,0,0,0,0,0,1,1]},"rejected":{"ids":[37,5,11,38,37,6,13,38],"loss_mask":[0,0,0,0,0,0,1,1]}}' >want
compare_ want got
tok -m model --chat=unmarked.jinja --json pairs.jsonl | sed 's/"row":[0-9]*,//' | sort -u >got
compare_ want got
tok -m model --chat=chatml -o pairs.lms pairs.jsonl
lms --check pairs.lms >got
grep -q 'good: tokens, .* 5 examples' got || fail_ "the pairs are not good"
for column in chosen.ids chosen.ids.splits chosen.loss_mask rejected.ids rejected.loss_mask; do
    grep -aq "\"$column\":{" pairs.lms || fail_ "no $column"
done
lms --head 2 pairs.lms | lms --check >got
grep -q '2 examples' got || fail_ "pairs cannot be cut by rows"
refuses_ 1 'a preference pair cannot be packed' tok -m model --chat=chatml --pack 8 --ids pairs.jsonl

# ---- nothing is lost in silence
echo '{"messages":[{"role":"user","content":"hi"}]}' >mute.jsonl
refuses_ 1 'mute.jsonl:1: the assistant says nothing' tok -m model --chat=chatml --ids mute.jsonl
echo '{"text":"hi"}' >none.jsonl
refuses_ 1 'none.jsonl:1: no conversation in the record' tok -m model --chat=chatml --ids none.jsonl
echo '{"chosen":[{"role":"user","content":"hi"}],"rejected":[{"role":"user","content":"hi"}]}' >same.jsonl
refuses_ 1 'are the same' tok -m model --chat=chatml --ids same.jsonl
echo '{{ messages[0].content }}' >blind.jinja
refuses_ 1 "none of the assistant's 1 turns can be found" tok -m model --chat=blind.jinja --ids forms.jsonl
cat mute.jsonl none.jsonl forms.jsonl | tok -m model --chat=chatml --rejects rejected --ids 2>err | wc -l >got
echo 9 >want
compare_ want got
grep -q '2 records rejected' err || fail_ "rejected records are not counted"
grep -q '"line":2,"why":"no conversation in the record.*"record":"{\\"text\\":\\"hi\\"}"' rejected || fail_ "$(cat rejected)"
tok -m model --chat=chatml --max-length 6 --json forms.jsonl >got 2>err
test ! -s got || fail_ "a row without loss is written"
grep -q '9 of 9 conversations are left out' err || fail_ "rows that are left out are not counted"
tok -m model --chat=chatml --max-length 7 --json forms.jsonl 2>err | show | sed -n 1p >got
echo '<|im_start|> user hello <|im_end|> <|im_start|> assistant (yes)' >want
compare_ want got
grep -q '9 of 9 conversations are cut' err || fail_ "rows that are cut are not counted"
tok -m model --chat=chatml --max-length 3 --truncation-side left --json forms.jsonl 2>err | show | sed -n 1p >got
echo 'assistant (yes) (<|im_end|>)' >want
compare_ want got
tok -m model --chat=phi3 --ids forms.jsonl 2>err >/dev/null
grep -q "9 of 9 of the assistant's turns do not end with a special token" err || fail_ "a missing end of turn is not said"

# ---- templates that cannot be used, options that do not go together
printf 'a\n{%% if x %%}' >cut.jinja
refuses_ 1 'cut.jinja:2: the template ends within a block' tok -m model --chat=cut.jinja --ids forms.jsonl
echo '{{ raise_exception("odd") }}' >odd.jinja
refuses_ 1 'forms.jsonl:1: odd.jinja:1: the template refuses this conversation: odd' tok -m model --chat=odd.jinja --ids forms.jsonl
refuses_ 2 'neither a file nor a template that is known' tok -m model --chat=chatlm --ids forms.jsonl
refuses_ 2 'give --chat too' tok -m model --think drop --ids forms.jsonl
refuses_ 2 'leave out --stride' tok -m model --chat=chatml --stride 2 --ids forms.jsonl
# the date is the run's, or that of SOURCE_DATE_EPOCH
echo '{{ strftime_now("%Y") }}{% for m in messages %}{{ m.role }} {% generation %}{{ m.content }}</s>{% endgeneration %}{% endfor %}' >date.jinja
SOURCE_DATE_EPOCH=0 tok -m model --chat=date.jinja --json --keep-text forms.jsonl >got
grep -q '"text":"1970user' got || fail_ "SOURCE_DATE_EPOCH"
tok -m model --chat=date.jinja --ids forms.jsonl 2>err >/dev/null
grep -q SOURCE_DATE_EPOCH err || fail_ "no word of the date"

# ---- with the tokenizers of real models
if test -n "$data"; then
    needs_data_ tokenizers/qwen3 tokenizers/llama3 tokenizers/gemma3
    for t in qwen3 gemma3 llama3; do
        tok -m "$data/tokenizers/$t" --chat --json turns.jsonl >real-$t 2>err || fail_ "$t: $(cat err)"
        test "$(wc -l <real-$t)" = 2 || fail_ "$t: $(wc -l <real-$t) rows"
    done
    # yes, <|im_end|> and a line end; of the last turn the empty <think> part that this template writes, too
    grep -q '"loss_mask":\[0,0,0,0,0,0,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1\]' real-qwen3 || fail_ "qwen3: $(cat real-qwen3)"
fi
