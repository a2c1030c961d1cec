#!/bin/bash
# tok --stats: figures for programs, and for a person at a terminal.
. "$(dirname "$0")/init.sh"

mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the cat '##s' sat >bert/vocab.txt
echo '{"model_max_length": 5}' >bert/tokenizer_config.json

printf 'the cats sat\nthe dog\ncat\n\xe2\x80\x83the\xc2\xa0cat x\n' >text
tok -q -m bert --stats text >got
cat >want <<'END'
rows	4
tokens	18
tokens_per_row	4.50
length_min	3
length_p5	3
length_p25	3
length_p50	4
length_p75	5
length_p90	6
length_p95	6
length_p99	6
length_max	6
words	9
tokens_per_word	1.1111
characters	32
tokens_per_character	0.3125
bytes	35
tokens_per_byte	0.2857
unknown_tokens	2
unknown_rate	0.200000
max_length	5
truncated_rows	1
END
compare_ want got
tok -q -m bert --max-length 4 --stats text | grep -qx 'truncated_rows	2' || fail_ "--max-length does not count"
tok -q -m bert --stats </dev/null >got
grep -qx 'rows	0' got && grep -qx 'length_p50	0' got || fail_ "no rows, no figures"
# a row that is longer than most
awk 'BEGIN { for (i = 0; i < 70000; i++) printf "the "; print ""; for (i = 0; i < 80000; i++) printf "cat "; print "" }' >long
tok -q -m bert --stats long text >got
grep -qx 'length_max	80002' got && grep -qx 'length_p75	70002' got && grep -qx 'truncated_rows	3' got || { cat got; fail_ "long rows"; }

# on a terminal: in words, with bars
needs_program_ script
script -qec "stty cols 80; tok -q -m bert --stats text" /dev/null </dev/null | tr -d '\r' >got
grep -q '^4 rows of 18 tokens' got || { cat got; fail_ "no figures for a person"; }
grep -q '█' got || { cat got; fail_ "no bars"; }
grep -q '1 of them (25%) are longer than 5' got || { cat got; fail_ "nothing on what would be cut"; }
grep -q '	' got && fail_ "a person gets tabs"
script -qec "LC_ALL=C tok -q -m bert --stats text" /dev/null </dev/null | tr -d '\r' >got
grep -q '#' got || { cat got; fail_ "no bars where the terminal has no blocks"; }
