liblmutils_la_SOURCES += \
	libshared/augment/quality/addresses.c \
	libshared/augment/quality/c4.c \
	libshared/augment/quality/char_classes.c \
	libshared/augment/quality/filter.c \
	libshared/augment/quality/filters.h \
	libshared/augment/quality/fineweb.c \
	libshared/augment/quality/gopher.c \
	libshared/augment/quality/judging.c \
	libshared/augment/quality/judging.h \
	libshared/augment/quality/length.c \
	libshared/augment/quality/ngrams.c \
	libshared/augment/quality/ngrams.h \
	libshared/augment/quality/repeats.c \
	libshared/augment/quality/repeats.h \
	libshared/augment/quality/special_words.c \
	libshared/augment/quality/stop_words.c \
	libshared/augment/quality/stop_words.h \
	libshared/augment/quality/word_rules.h \
	libshared/augment/quality/words.c \
	libshared/augment/quality/words.h

check_PROGRAMS += tests/unit/check_quality
tests_unit_check_quality_SOURCES = tests/unit/check_quality.c tests/unit/drafts.c tests/unit/drafts.h
tests_unit_check_quality_CPPFLAGS = $(unit_cppflags)
tests_unit_check_quality_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_quality
EXTRA_DIST += tests/unit/quality.json tests/unit/quality.py
