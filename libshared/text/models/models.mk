liblmutils_la_SOURCES += \
	libshared/text/models/bpe.c libshared/text/models/bpe.h \
	libshared/text/models/bpe_bytes.c libshared/text/models/bpe_cut.c libshared/text/models/bpe_index.c \
	libshared/text/models/bpe_match.c libshared/text/models/bpe_merge.c libshared/text/models/bpe_short.c \
	libshared/text/models/bpe_windows.c \
	libshared/text/models/models.c libshared/text/models/models.h \
	libshared/text/models/scan.c \
	libshared/text/models/tables.c libshared/text/models/tables.h \
	libshared/text/models/trie.c libshared/text/models/trie.h \
	libshared/text/models/unigram.c \
	libshared/text/models/word_level.c \
	libshared/text/models/wordpiece.c

check_PROGRAMS += tests/unit/check_models
tests_unit_check_models_SOURCES = tests/unit/check_models.c tests/unit/plain_bpe.h
tests_unit_check_models_CPPFLAGS = $(unit_cppflags)
tests_unit_check_models_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_models
