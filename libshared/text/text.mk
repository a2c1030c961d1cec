noinst_HEADERS += libshared/text/tokenizer.h
