#!/bin/bash
# Makes the seeds of fuzz_sentencepiece in the directory $1: a byte that chooses the class, then the model.
set -e -u
mkdir -p "$1"
cd "$1"
byte() { printf '\\x%02x' "$1"; }
field() { # NUMBER BYTES: of length up to 127, escaped for printf %b
    local bytes
    bytes=$(printf '%b.' "$2" | wc -c)
    printf '%s%s%s' "$(byte $(($1 * 8 + 2)))" "$(byte $((bytes - 1)))" "$2"
}
piece() { # TEXT SCORE-BYTES TYPE
    field 1 "$(field 1 "$1")$(byte 21)$2$(byte 24)$(byte "$3")"
}
zero='\x00\x00\x00\x00' one='\x00\x00\x80\xbf' two='\x00\x00\x00\xc0' three='\x00\x00\x40\xc0'
mark='\xe2\x96\x81'
words() {
    piece "$mark" $three 1; piece a $three 1; piece b $three 1; piece ab $one 1; piece "${mark}a" $two 1; piece "1," $two 1
    piece "${mark}ab" $one 1; piece '\xed\x95\x9c' $three 1; piece '<x>' $zero 4; piece '\t' $three 4; piece e $three 5
}
bytes() { piece '<0x00>' $zero 6; piece '<0x09>' $zero 6; piece '<0x41>' $zero 6; piece '<0xFF>' $zero 6; }
llama=$(piece '<unk>' $zero 2; piece '<s>' $zero 3; piece '</s>' $zero 3; bytes; words)
gemma=$(piece '<pad>' $zero 3; piece '<eos>' $zero 3; piece '<bos>' $zero 3; piece '<unk>' $zero 2; piece '<start_of_turn>' $zero 4; bytes; words)
t5=$(piece '<pad>' $zero 3; piece '</s>' $zero 3; piece '<unk>' $zero 2; words)
albert=$(piece '<pad>' $zero 3; piece '<unk>' $zero 2; piece '[CLS]' $zero 3; piece '[SEP]' $zero 3; piece '[MASK]' $zero 4; words)
deberta=$(piece '[UNK]' $zero 2; piece '[CLS]' $zero 3; piece '[SEP]' $zero 3; words)
xlnet=$(piece '<unk>' $zero 2; piece '<s>' $zero 3; piece '</s>' $zero 3; piece '<cls>' $zero 3; piece '<sep>' $zero 3; words)
bpe=$(field 2 '\x18\x02\x98\x02\x01\xc8\x02\x01\xd0\x02\x02\xd8\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xea\x02\x05<unk>')
unigram=$(field 2 '\x18\x01\xc0\x02\x02')
# a charsmap of one rule: e with acute accent to e, an array of a few units as darts makes it is hard to write by hand; empty
identity=$(field 3 '\x0a\x08identity\x18\x01\x20\x00')
charsmap=$(field 3 '\x12\x0c\x04\x00\x00\x00\x00\x04\x00\x00e\x00f\x00')
for class in 0 1 2 3; do printf '%b' "$(byte $class)$llama$bpe$identity" >"llama-$class"; done
printf '%b' "$(byte 3)$gemma$(field 2 '\x18\x02\xc0\x02\x03\xea\x02\x05<unk>')$identity" >gemma
printf '%b' "$(byte 1)$llama$(field 2 '\x18\x01\x98\x02\x01')" >llama-unigram
for class in 0 4 5 6 7 8 12 13 14 15; do printf '%b' "$(byte $class)$t5$unigram$charsmap" >"t5-$class"; done
for class in 0 9 12; do printf '%b' "$(byte $class)$albert$(field 2 '\xc0\x02\x01')$charsmap" >"albert-$class"; done
for class in 0 11; do printf '%b' "$(byte $class)$deberta" >"deberta-$class"; done
for class in 0 10; do printf '%b' "$(byte $class)$xlnet" >"xlnet-$class"; done
printf '%b' "$(byte 0)$llama$(field 2 '\x18\x03')" >words
printf '%b' "$(byte 0)$(field 4 "$(field 1 x)")$(field 7 y)" >no-pieces
printf '%b' "$(byte 0)$(field 1 "$(field 1 x)\x1d$one\x21$one$one")\x28\x05" >other-fields
printf '%b' "$(byte 0)$(field 1 "$(field 1 '\xff')")" >not-utf8
printf '%b' "$(byte 0)$(field 1 "$(field 1 x)$(byte 24)$(byte 9)")" >odd-type
printf '%b' "$(byte 0)$(field 1 "$(field 1 x)")$(field 1 "$(field 1 x)")" >twice
printf '%b' "$(byte 0)\x0b\x0c" >group
