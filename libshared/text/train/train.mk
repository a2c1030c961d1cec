liblmutils_la_SOURCES += \
	libshared/text/train/alphabet.c libshared/text/train/alphabet.h \
	libshared/text/train/merges.c libshared/text/train/merges.h \
	libshared/text/train/specs.c libshared/text/train/specs.h \
	libshared/text/train/string_sort.c libshared/text/train/string_sort.h \
	libshared/text/train/train.c libshared/text/train/train.h \
	libshared/text/train/unigram.c libshared/text/train/unigram.h \
	libshared/text/train/unigram_internal.h \
	libshared/text/train/unigram_lattice.c libshared/text/train/unigram_seeds.c \
	libshared/text/train/word_counts.c libshared/text/train/word_counts.h \
	libshared/text/train/words.c libshared/text/train/words.h

check_PROGRAMS += tests/unit/check_training
tests_unit_check_training_SOURCES = tests/unit/check_training.c
tests_unit_check_training_CPPFLAGS = $(unit_cppflags)
tests_unit_check_training_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_training
EXTRA_DIST += tests/unit/training.json tests/differential/training.mjs
