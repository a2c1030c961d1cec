liblmutils_la_SOURCES += \
	libshared/metrics/written/bleu.c \
	libshared/metrics/written/chrf.c \
	libshared/metrics/written/grams.c libshared/metrics/written/grams.h \
	libshared/metrics/written/kinds.h \
	libshared/metrics/written/lcs.c \
	libshared/metrics/written/porter.c \
	libshared/metrics/written/rouge.c \
	libshared/metrics/written/ter.c \
	libshared/metrics/written/tokens.c libshared/metrics/written/tokens.h \
	libshared/metrics/written/written.c libshared/metrics/written/written.h

check_PROGRAMS += tests/unit/check_written
tests_unit_check_written_SOURCES = tests/unit/check_written.c
tests_unit_check_written_CPPFLAGS = $(unit_cppflags)
tests_unit_check_written_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_written
EXTRA_DIST += tests/unit/written.json tests/unit/written.py
