#!/bin/bash
# Makes the seeds of fuzz_words in the directory $1.
set -e -u
mkdir -p "$1"
cd "$1"
seed() { # NAME FORMAT: for printf
    printf "$2" >"$1"
}
seed thesaurus 'T# ours\nbig\tlarge, huge ,,Grand\nbegin, start\n학교\t학원,교정\n공부하다\t학습하다\n'
seed mythes 'TUTF-8\nhouse|2\n(noun)|home|dwelling (generic term)\n(verb)|shelter\nsimple|1\n-|plain\n'
seed mythes-latin1 'TISO8859-1\nhouse|1\n(noun)|caf\351\n'
seed mythes-cut 'TUTF-8\nhouse|99999\n(noun)|home\n'
seed no-list 'Tone two\n'
seed wordnet 'Wdog n 2 1 @ 2 0 00000000 00000040  \nhound n 1 0 1 0 00000000  \n\03600000000 05 n 02 dog 0 hound 0 000 | a  00000040 05 n 01 cad(p) 0 000 | b\n\036dogen dog\ndogs dog\n'
seed wordnet-counts 'Wdog n 99999999999 1\ncat n 2 99999 @\nhound n 1 0 1 0 4294967295\n\036\036'
seed wordnet-lemmas 'Wdog n 1 0 1 0 0\n\0360 05 n ff dog 0 hound 0 x 0 000\n\036'
seed english '1The quick, brown dog -- (well-known; 3,000.5) runs: https://a.b/c <URL> @me don'"'"'t!\n'
seed korean '2학교에서는 친구와 "밥을" 먹었다ㅋㅋㅋ ㅠㅠ 닭이 없어요. 各我爱カナ\n'
seed marks '3a\314\201b \302\240 \342\200\231s\342\200\231 \357\277\275 \360\237\230\200 \355\240\200\n'
seed nothing '4'
seed blanks '5 \n\t\343\200\200-- ,\n'
