# Texts with a class each, as they were published: TASK=agnews (news in English: one of four topics) or nsmc (film reviews in Korean:
# liked or not). Included after common.mk. The classes are numbers there; `words` makes words of them, and `form` is how tok and
# lms read what comes of it.
ifeq ($(TASK),nsmc)
TRAIN ?= $(firstword $(wildcard $(DATA)/nsmc/ratings_train*.txt) $(DATA)/nsmc/ratings_train.txt)
TEST ?= $(firstword $(wildcard $(DATA)/nsmc/ratings_test*.txt) $(DATA)/nsmc/ratings_test.txt)
$(eval $(call absent,$(TEST) $(TRAIN),ratings_train.txt and ratings_test.txt of https://github.com/e9t/nsmc))
# id, document, label. Reviews without a word go to a file of rejects.
words = awk -F '\t' -v OFS='\t' 'NR > 1 { $$NF = $$NF ~ /^1/ ? "긍정" : "부정" } { print }'
form = --input-format tsv --header yes --text document --label label --rejects $(basename $@).rejects
else
TRAIN ?= $(firstword $(wildcard $(DATA)/agnews/train.csv $(DATA)/agnews/train_subset.csv) $(DATA)/agnews/train.csv)
TEST ?= $(DATA)/agnews/test.csv
$(eval $(call absent,$(TEST) $(TRAIN),train.csv and test.csv of AG News: https://s3.amazonaws.com/fast-ai-nlp/ag_news_csv.tgz))
# The class, then the title and the text, which are joined.
words = sed 's/^"1",/"World",/; s/^"2",/"Sports",/; s/^"3",/"Business",/; s/^"4",/"Technology",/'
form = --input-format csv --header no
endif
