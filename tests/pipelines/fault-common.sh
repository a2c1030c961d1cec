# shellcheck shell=bash
# Small material for the fault-*.sh tests: news.csv (label, text), a tokenizer `vocab`, and `tiny`, a pretrained model.

news_() { # ROWS: csv with a header; two labels that the words give away
    awk -v n="$1" 'BEGIN {
        split("ball goal team match score win league coach player season", sport, " ")
        split("bank share profit market trade price stock fund loan tax", money, " ")
        print "label,text"
        for (i = 1; i <= n; i++) {
            line = ""
            for (j = 0; j < 4 + i % 9; j++)
                line = line " " (i % 2 ? sport[(i * 7 + j * 3) % 10 + 1] : money[(i * 3 + j * 7) % 10 + 1])
            print (i % 2 ? "sport" : "money") "," substr(line, 2)
        }
    }'
}

tiny_() {
    news_ 200 >news.csv
    tok --train wordpiece --vocab-size 120 -q -o vocab news.csv
    tok -m vocab -q news.csv >news.lms
    pretrain -q -a bert --layers 1 --width 32 --heads 2 --inner 64 --max-length 64 --max-steps 4 -o tiny news.lms
}
