liblmutils_la_SOURCES += \
	libshared/augment/draws.h \
	libshared/augment/eda/eda.c libshared/augment/eda/eda.h \
	libshared/augment/eda/edits.c libshared/augment/eda/edits.h \
	libshared/augment/eda/josa.c libshared/augment/eda/josa.h \
	libshared/augment/eda/synonyms.c libshared/augment/eda/synonyms.h \
	libshared/augment/eda/thesaurus.c libshared/augment/eda/thesaurus.h \
	libshared/augment/eda/wordnet.c libshared/augment/eda/wordnet.h

check_PROGRAMS += tests/unit/check_eda
tests_unit_check_eda_SOURCES = tests/unit/check_eda.c tests/unit/drafts.c tests/unit/drafts.h tests/unit/scratch.c \
	tests/unit/scratch.h
tests_unit_check_eda_CPPFLAGS = $(unit_cppflags)
tests_unit_check_eda_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_eda
