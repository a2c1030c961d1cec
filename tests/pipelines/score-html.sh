#!/bin/bash
# score --html: one page that loads nothing, and holds what the report and the log say, and the mistakes.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/bert-cls goldens/models/bert-reg1 goldens/models/bert-mlm

golden_stream=$abs_top_builddir/tests/unit/golden_stream
cls=$data/goldens/e2e/bert-cls
"$golden_stream" texts "$cls" >all.jsonl
# ten rows whose label is the model's, and three of another; one of these tries to be markup, one is Korean
{
    head -n 10 all.jsonl
    printf '%s\n' '{"text":"<script>alert(1)</script> & \"quoted\" '"'"'so'"'"'","pair":"second <b>text</b>","label":"positive","id":"<i>7"}' \
        '{"text":"환불은 언제 되나요? 정말 별로였어요","label":"positive"}' '{"text":"it was \u0007 friendly","label":"positive"}'
} >texts.jsonl
tok -m "$cls" --keep-text texts.jsonl >texts.lms
printf '%s\n' '{"loss":1.5,"learning_rate":0.001,"step":1}' '{"eval_loss":1.2,"eval_accuracy":0.5,"epoch":0.5,"step":10}' \
    '{"loss":0.5,"learning_rate":0,"step":20}' '{"eval_loss":0.9,"eval_accuracy":0.75,"step":20}' '{"train_loss":0.7,"step":20}' >train.log

score -q -m "$cls" --html page.html --log train.log texts.lms >report
score -q -m "$cls" texts.lms >alone
compare_ alone report
# with intervals the report is the same beside a page, and the page has them for single classes' measures too
score -q -m "$cls" --ci --resamples 20 texts.lms >alone
score -q -m "$cls" --ci --resamples 20 --html ci.html texts.lms >report
compare_ alone report
grep -q 'confidence interval' ci.html
score -q -m "$cls" texts.lms >report
head -c 15 page.html | grep -qx '<!DOCTYPE html>'
has() {
    grep -qF -e "$1" page.html || fail_ "line ${BASH_LINENO[0]}: the page lacks $1"
}
has_not() {
    ! grep -qF -e "$1" page.html || fail_ "line ${BASH_LINENO[0]}: the page has $1"
}
# nothing is loaded or run
for word in '<script' 'src=' 'href=' '@import' 'url(' 'http:' 'https:' '<b>text' 'onload'; do
    has_not "$word"
done
has "default-src 'none'"
has 'prefers-color-scheme:dark'
# measures to four digits, the classes, the matrix
has "<th scope=\"row\">accuracy</th><td class=\"n\">$(printf %.4f "$(sed -n 's/^accuracy	//p' report)")</td>"
has '<h2 id="classes">'
has '<h2 id="confusion">'
same_ 9 "$(grep -o '<small>' page.html | wc -l)"
# each row of the matrix sums to its support
score -q -m "$cls" --json --per-class texts.lms | grep -o '"confusion_matrix": \[\[.*\]\]' | grep -o '[0-9]\+' >counts
grep -o '>[0-9]*<small>' page.html | grep -o '[0-9]\+' >cells
compare_ counts cells
# the curves: two of loss, one of accuracy, the rate
same_ 3 "$(grep -o '<svg class="chart"' page.html | wc -l)"
has 'evaluation: last 0.9'
has 'accuracy: last 0.75'
has 'Loss: from 0.5 to 1.5 over step 1 to 20'
# the mistakes: escaped, with both texts, Korean said to be so, no control characters
has '&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot; &#39;so&#39;'
has '<div class="pair" dir="auto" lang="">second &lt;b&gt;text&lt;/b&gt;</div>'
has '&lt;i&gt;7'
has '<div dir="auto" lang="ko">환불은 언제 되나요? 정말 별로였어요</div>'
has 'it was   friendly'
test "$(tr -d '\n' <page.html | tr -cd '\001-\037' | wc -c)" = 0 || fail_ "control characters"
# the most confident first
grep -o '<td class="n">[01]\.[0-9]*</td><td class="n">[0-9.]*</td><td class="text">' page.html | cut -d '>' -f 2 |
    cut -d '<' -f 1 >probabilities
test "$(wc -l <probabilities)" -ge 3
sort -rg probabilities >sorted
compare_ sorted probabilities
# every tag that is opened is closed, in order
tags_balance_() {
    tr -d '\n' <"$1" | sed 's/<style>.*<\/style>//; s/<!DOCTYPE[^>]*>//; s/<meta[^>]*>//g; s/<[a-z]*\( [^<>]*\)\?\/>//g' |
        grep -o '</\?[a-z0-9]*' | awk '/^<\// { if (stack[n--] != substr($0, 3)) { print "out of order: " $0; exit 1 } next }
            { stack[++n] = substr($0, 2) } END { exit n != 0 }' || fail_ "$1: tags"
}
tags_balance_ page.html

# the same bytes each time, beside a stream too, and by threads
mv page.html first.html
OMP_NUM_THREADS=1 score -q -m "$cls" --html page.html --log train.log texts.lms >report
compare_ first.html page.html
score -q -m "$cls" --emit loss --html emit.html texts.lms | lms --check
grep -qF '환불은 언제 되나요?' emit.html
sed 's/{"text"/{"id":1,"text"/' all.jsonl | tok -m "$cls" >bare.lms
score -q -m "$cls" --html right.html bare.lms >report
tags_balance_ right.html
! grep -q 'id="mistakes"' right.html || fail_ "mistakes where all is right"
# without kept text the tokens speak; without a tokenizer the page says what to do
tok -m "$cls" texts.jsonl >ids.lms
score -q -m "$cls" --html ids.html ids.lms >report
grep -qF 'alert ( 1 )' ids.html || grep -qF 'alert(1)' ids.html || fail_ "no text from tokens"
# a number, masked tokens, the body alone
for case in reg1 mlm; do
    "$golden_stream" write "$data/goldens/models/bert-$case" >"$case.lms"
    score -q -m "$data/goldens/models/bert-$case" --html "$case.html" "$case.lms" >report 2>err
    tags_balance_ "$case.html"
done
grep -qF 'id="mistakes"' reg1.html
grep -qF 'tok --keep-text' reg1.html
! grep -qF 'id="mistakes"' mlm.html || fail_ "mistakes of a language model"
score -q -m "$data/goldens/models/bert-mlm" --emit loss --html mlm.html mlm.lms 2>err | lms --check
tags_balance_ mlm.html
refuses_ 2 "has nothing to measure" score -q -m "$cls" --task base --emit hidden --html x.html texts.lms

# what is wrong with a log; a page appears whole or not at all
printf 'loss 3\n' >bad.log
refuses_ 1 "bad.log:1: no JSON object" score -m "$cls" --html x.html --log bad.log texts.lms
printf '{"loss":"x","step":3}\n\n{"epoch":1,"step":2}\n' >bad.log
refuses_ 1 "bad.log: no step and loss in it" score -m "$cls" --html x.html --log bad.log texts.lms
refuses_ 1 "nowhere.log" score -m "$cls" --html x.html --log nowhere.log texts.lms
refuses_ 2 "give --html too" score -m "$cls" --log train.log texts.lms
refuses_ 1 "nowhere/x.html" score -m "$cls" --html nowhere/x.html texts.lms
head -c 1000 texts.lms >cut.lms
refuses_ 3 "cut.lms" score -m "$cls" --html x.html cut.lms
test ! -e x.html || fail_ "a page of half a stream"
# odd logs: one point, values that are all alike, huge ones
printf '%s\n' '{"loss":0,"step":1}' >one.log
score -q -m "$cls" --html one.html --log one.log texts.lms >report
printf '{"loss":%s,"step":%s}\n' 1e308 1 -1e308 2 1e-320 3 0 1e300 >odd.log
score -q -m "$cls" --html odd.html --log odd.log texts.lms >report
for page in one odd; do
    tags_balance_ $page.html
    ! grep -q 'nan' $page.html || fail_ "$page: nan"
done

# a browser reads it as it was meant
for browser in chromium chromium-browser google-chrome; do
    command -v "$browser" >/dev/null || continue
    HOME=$work timeout 120 "$browser" --headless --no-sandbox --disable-gpu --dump-dom "file://$work/page.html" >dom 2>/dev/null || break
    for tag in '<tr' '<section' '<td' '<svg'; do
        same_ "$(grep -o "$tag[ >]" page.html | wc -l)" "$(grep -o "$tag[ >]" dom | wc -l)"
    done
    break
done
