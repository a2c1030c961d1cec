liblmutils_la_SOURCES += \
	libshared/text/models/bpe.c libshared/text/models/bpe.h \
	libshared/text/models/bpe_cut.c libshared/text/models/bpe_merge.c \
	libshared/text/models/models.c libshared/text/models/models.h \
	libshared/text/models/scan.c \
	libshared/text/models/tables.c libshared/text/models/tables.h \
	libshared/text/models/trie.c libshared/text/models/trie.h \
	libshared/text/models/unigram.c \
	libshared/text/models/word_level.c \
	libshared/text/models/wordpiece.c
