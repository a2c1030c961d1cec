#!/bin/bash
# augment: cleaning, through every form of records, and what it refuses.
. "$(dirname "$0")/init.sh"

# ---- the sum, in JSON Lines: what needs nothing comes out byte for byte
cat >dirty.jsonl <<'END'
{"id": 1, "text":"<p>CafÃ© &amp; bar\u200b</p><p>ㅋㅋㅋㅋㅋㅋ  좋아요!!!!!</p>", "label":"pos"}
{"text" : "nothing to do 할 일 없음" ,"label":"neg","more":[1, {"a":"<b>"}]}
{"text":"¾È³çÇÏ¼¼¿ä. ¹Ý°©½À´Ï´Ù","label":"pos"}
{"text":"\u1112\u1161\u11ab\u1100\u1173\u11af AT amp;T it #39;s","label":"neg"}
END
augment --clean dirty.jsonl >got 2>err
cat >want <<'END'
{"id": 1, "text":"Café & bar\nㅋㅋㅋ 좋아요!!!", "label":"pos"}
{"text" : "nothing to do 할 일 없음" ,"label":"neg","more":[1, {"a":"<b>"}]}
{"text":"안녕하세요. 반갑습니다","label":"pos"}
{"text":"한글 AT&T it's","label":"neg"}
END
compare_ want got
grep -q 'clean: 3 of 4 records changed: fix-mojibake 2, normalize 1, strip-html 2, strip-control 1, squeeze 1, whitespace 1$' err ||
    { cat err; fail_ "what was done is not said"; }
augment -q --clean got >again 2>err
compare_ want again
test ! -s err || fail_ "-q is not quiet"

# ---- csv: other columns stay as they are, quotes and line ends too; two fields are cleaned each by itself
printf 'id,title,body\r\n"1",<b>굵은</b> 제목,"a <i>b</i>, c"\r\n 2 ,"plain",same\r\n' >dirty.csv
augment -q --strip-html --text title,body dirty.csv >got
printf 'id,title,body\r\n"1",굵은 제목,"a b, c"\r\n 2 ,"plain",same\r\n' >want
compare_ want got
# plain lines: a text has one line
printf '<p>하나</p><p>둘</p>\n\n2 <b>two</b>\n' | augment -q --strip-html >got
printf '하나 둘\n\n2 two\n' >want
compare_ want got

# ---- each step by itself, and in the order in which they stand
clean_() { # text option...
    local text=$1
    shift
    printf '%s\n' "$text" | augment -q --input-format text "$@"
}
same_ '한글 café' "$(clean_ $'\u1112\u1161\u11ab\u1100\u1173\u11af cafe\u0301' --normalize)"
same_ 'fi1 ABC' "$(clean_ 'ﬁ① ＡＢＣ' --normalize nfkc)"
same_ $'\u1112\u1161\u11ab' "$(clean_ '한' --normalize=nfd)"
same_ '“안녕” it’s' "$(clean_ 'â€œì•ˆë…•â€� itâ€™s' --fix-mojibake | sed 's/\xEF\xBF\xBD/”/')"
same_ '서울시는 굵게' "$(clean_ "[[서울|서울시]]는 '''굵게'''" --strip-markup)"
same_ 'a [URL]에서 b' "$(clean_ 'a https://naver.com/x?y=1에서 b' --mask-urls)"
same_ 'a <url> b' "$(clean_ 'a https://naver.com b' '--mask-urls=<url>')"
same_ 'a  b' "$(clean_ 'a https://naver.com b' --mask-urls=drop)"
same_ '메일 [EMAIL]로' "$(clean_ '메일 a.b@naver.com로' --mask-emails)"
same_ '전화 [PHONE]로, 2024-01-02' "$(clean_ '전화 010-1234-5678로, 2024-01-02' --mask-phones)"
same_ 'ab' "$(clean_ $'a\u200b\u202eb\a' --strip-control)"
same_ 'ㅋㅋ 1000000 하하' "$(clean_ 'ㅋㅋㅋㅋㅋ 1000000 하하하하' --squeeze 2)"
same_ 'ㅋㅋㅋ' "$(clean_ 'ㅋㅋㅋㅋㅋ' --squeeze)"
same_ 'a b' "$(clean_ $' a \u3000 b\t' --whitespace)"
same_ '[URL] ㅋㅋㅋ' "$(clean_ 'http://x.com/ㅋㅋㅋㅋ?q ㅋㅋㅋㅋ' --mask-urls --squeeze)"
same_ 'a<b>c' "$(clean_ 'a&amp;lt;b&amp;gt;c' --strip-html)"
same_ 'ac' "$(clean_ 'a&amp;lt;b&amp;gt;c' --strip-html --strip-html)"
same_ 'it’s' "$(clean_ 'itâ€™s' --ftfy)" # a name from elsewhere

# ---- scripts: what is dropped goes to the rejects with its share
printf '%s\n' '한국어 문장입니다' 'An English sentence' '섞인 mixed 문장' '12345' >mixed.txt
augment -q --script hangul=0.3 --rejects out.jsonl mixed.txt >got
printf '%s\n' '한국어 문장입니다' '섞인 mixed 문장' >want
compare_ want got
cat >want <<'END'
{"file":"mixed.txt","line":2,"why":"script: hangul 0, less than 0.3","record":"An English sentence"}
{"file":"mixed.txt","line":4,"why":"script: hangul 0, less than 0.3","record":"12345"}
END
compare_ want out.jsonl
same_ 'An English sentence' "$(augment -q --script latin=0.9 mixed.txt)"
same_ 3 "$(augment -q --script ko,Latin mixed.txt | wc -l)"

# ---- any number of threads, one file or two
for i in $(seq 400); do
    sed "s/할 일/할 일 $i<br>/" dirty.jsonl
done >many.jsonl
augment -q -j1 --clean --script hangul=0.1 many.jsonl >one
augment -q -j4 --clean --script hangul=0.1 many.jsonl >four
cmp one four || fail_ "threads change what comes out"
head -n 700 many.jsonl >first
tail -n +701 many.jsonl >second
augment -q --clean --script hangul=0.1 --input-format jsonl first second >two
cmp one two || fail_ "a split input gives something else"

# ---- what cannot be
refuses_ 2 '--normalize=nfx: no such form: nfc, nfd, nfkc or nfkd' augment --normalize=nfx dirty.jsonl
refuses_ 2 '--squeeze=0: how many repetitions are left' augment --squeeze=0 dirty.jsonl
refuses_ 2 '--whitespace=lines: no such form' augment --whitespace=lines dirty.jsonl
refuses_ 2 'no such script `klingon`' augment --script klingon dirty.jsonl
refuses_ 2 'the least share of letters is a number from 0 to 1' augment --script latin=7 dirty.jsonl
# invalid UTF-8 is replaced before it is cleaned, or refused
printf 'a\xff  b\n' | augment -q --clean >got
printf 'a\xEF\xBF\xBD b\n' >want
compare_ want got
refuses_ 1 'UTF-8' augment --strict --clean <<<$'a\xff  b'
# what looks like the beginning of something, for long
for scrap in '<a "' '&' '[[' '{{' 'a@' '1-' 'Ã' $'\e]' 'http://' '#'; do
    awk -v s="$scrap" 'BEGIN { while (n++ < 30000) printf "%s", s; print "" }'
done >hostile.txt
timeout 120 augment -q --clean --strip-markup --mask-urls --mask-emails --mask-phones --input-format text hostile.txt >got || fail_ "it takes too long"
same_ 9 "$(wc -l <got)" # ### is the heading of nothing, and a blank line is no record

