#!/bin/bash
# score --choices: which of several answers is most probable, against the log-probabilities of whole rows.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/gpt2-lm goldens/e2e/llama-lm goldens/e2e/t5-s2s goldens/e2e/bert-fillmask

cat >q.jsonl <<'END'
{"context":"The service was","choices":["quick and friendly","slow","very slow and not friendly at all, sadly"],"label":0}
{"context":"나는 학교에 ","choices":["간다","갔다가 집에 왔다","x"],"label":"갔다가 집에 왔다"}
{"question":"I would not","choices":{"text":["recommend this film","go","recommend this"],"label":["A","B","C"]},"answerKey":"C"}
END
cat >texts.jsonl <<'END'
{"text":"The service was"}
{"text":"The service was quick and friendly"}
{"text":"The service was slow"}
{"text":"The service was very slow and not friendly at all, sadly"}
{"text":"I would not"}
{"text":"I would not recommend this film"}
{"text":"I would not go"}
{"text":"I would not recommend this"}
END
near_() { # EXPECTED ACTUAL: lists of numbers
    awk -v a="$1" -v b="$2" 'BEGIN { n = split(a, x, " "); m = split(b, y, " ")
        for (i = 1; i <= n; i++) { d = x[i] - y[i]; if (d > 1e-4 || d < -1e-4) bad = 1 }
        exit bad || n != m || n == 0 }' || fail_ "$2 instead of $1"
}
for model in gpt2-lm llama-lm; do
    m=$data/goldens/e2e/$model
    score -q -m "$m" --choices --tsv q.jsonl >lines
    same_ "0 1 2" "$(cut -f 2 lines | paste -s -d ' ')"
    same_ "1 2 3" "$(cut -f 3 lines | paste -s -d ' ')"
    # behind the tokens of the context, which come first of four
    tok -q -m "$m" texts.jsonl | score -q -m "$m" --emit logprobs --tsv | cut -f 1 |
        awk 'NR % 4 == 1 { n = NF; next } { s = 0; for (i = n + 1; i <= NF; i++) s += $i
            printf "%.6f%s", s, NR % 4 ? " " : "\n" }' >expected
    near_ "$(sed -n 1p expected)" "$(sed -n 1p lines | cut -f 4)"
    near_ "$(sed -n 2p expected)" "$(sed -n 3p lines | cut -f 4)"
    # neither batches nor threads change what is chosen
    score -q -j 1 --batch-tokens 1 -m "$m" --choices --tsv q.jsonl >alone
    compare_ <(cut -f 1-3 lines) <(cut -f 1-3 alone)
done

# the report: the most probable one, by itself, for each character, for each byte
m=$data/goldens/e2e/llama-lm
score -q -m "$m" --choices q.jsonl >report
cut -f 2,4 lines | awk '
    BEGIN { c[1] = "18 4 40"; c[2] = "2 9 1"; c[3] = "19 2 14"; b[1] = c[1]; b[2] = "6 23 1"; b[3] = c[3] }
    function best(by,  i, w, k) { split(by, w, " "); k = 1
        for (i = 2; i <= 3; i++) if ($(i + 1) / w[i] > $(k + 1) / w[k]) k = i
        return k - 1 }
    { acc += best("1 1 1") == $1; norm += best(c[NR]) == $1; bytes += best(b[NR]) == $1 }
    END { printf "acc\t%.6g\nacc_norm\t%.6g\nacc_bytes\t%.6g\n", acc / 3, norm / 3, bytes / 3 }' >expected
compare_ expected <(grep '^acc' report)
same_ "rows loss acc acc_norm acc_bytes signature" "$(cut -f 1 report | paste -s -d ' ')"
score -q -m "$m" --choices --ci --json q.jsonl | grep -q '"ci": {"loss": \[[0-9.]*, [0-9.]*\]'
refuses_ 4 "acc_norm is" score -q -m "$m" --choices --fail-under acc_norm=1.01 q.jsonl

# other fields; examples before each question
printf '{"q":"The service was","a":["slow","quick"],"is":1}\n' >own.jsonl
score -q -m "$m" --choices=a --context q --label is --tsv own.jsonl >own
near_ "$(sed -n 1p lines | cut -f 4 | cut -d ' ' -f 2)" "$(cut -f 4 own | cut -d ' ' -f 1)"
printf '{"text":"The service was quick\\n\\nThe service was"}\n{"text":"The service was quick\\n\\nThe service was slow"}\n' |
    tok -q -m "$m" --input-format jsonl | score -q -m "$m" --emit logprobs --tsv | cut -f 1 |
    awk 'NR == 1 { n = NF; next } { for (i = n + 1; i <= NF; i++) s += $i; print s }' >expected
score -q -m "$m" --choices=a --context q --label is --few-shot own.jsonl -k 1 --tsv own.jsonl >shots
near_ "$(cat expected)" "$(cut -f 4 shots | cut -d ' ' -f 1)"

# a second stack writes the answers; the end of the target is no part of them
t5=$data/goldens/e2e/t5-s2s
printf '{"context":"translate: the cat sat","choices":["the film","a dog was here"],"label":1,"delimiter":""}\n' >t5.jsonl
score -q -m "$t5" --choices --delimiter '' --tsv t5.jsonl >lines
for answer in 'the film' 'a dog was here'; do
    printf '{"text":"translate: the cat sat","target":"%s"}\n' "$answer"
done | tok -q -m "$t5" --target target --input-format jsonl | score -q -m "$t5" --emit logprobs --tsv | cut -f 1 |
    awk '{ s = 0; for (i = 1; i < NF; i++) s += $i; print s }' >expected
near_ "$(paste -s -d ' ' expected)" "$(cut -f 4 lines)"

# what cannot be measured
refuses_ 2 "no model" score -q --choices q.jsonl
refuses_ 1 "sees the words that follow" score -q -m "$data/goldens/e2e/bert-fillmask" --choices q.jsonl
refuses_ 2 "--html says nothing of questions" score -q -m "$m" --choices --html x q.jsonl
refuses_ 2 "--shots: of what" score -q -m "$m" --choices -k 2 q.jsonl
refuses_ 1 "own.jsonl: 1 examples, and 5 are asked for" score -q -m "$m" --choices=a --context q --label is --few-shot own.jsonl -k 5 own.jsonl
bad() { # TEXT RECORD
    printf '%s\n' "$2" >bad.jsonl
    refuses_ 1 "bad.jsonl:1: $1" score -q -m "$m" --choices bad.jsonl
}
bad "no field \`context\`" '{"x":"a"}'
bad "no field \`choices\`" '{"context":"a"}'
bad "no field \`label\`" '{"context":"a","choices":["a","b"]}'
bad "field \`choices\` has 1 choices" '{"context":"a","choices":["a"],"label":0}'
bad "field \`label\`: \"2\" is none of the 2 choices" '{"context":"a","choices":["a","b"],"label":2}'
bad "field \`label\`: \"c\" is none of the 2 choices" '{"context":"a","choices":["a","b"],"label":"c"}'
bad "choice 1 has no token of its own" '{"context":"a","choices":["a",""],"label":0}'
bad "the context and choice 0 are" "{\"context\":\"$(printf 'slow %.0s' {1..3000})\",\"choices\":[\"a\",\"b\"],\"label\":0}"
refuses_ 1 "there is no question" score -q -m "$m" --choices /dev/null
