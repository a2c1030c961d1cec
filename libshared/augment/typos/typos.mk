liblmutils_la_SOURCES += \
	libshared/augment/typos/corrector.c libshared/augment/typos/corrector.h \
	libshared/augment/typos/dictionary.c libshared/augment/typos/dictionary.h \
	libshared/augment/typos/edits.c libshared/augment/typos/edits.h \
	libshared/augment/typos/frequencies.c libshared/augment/typos/frequencies.h \
	libshared/augment/typos/keys.c libshared/augment/typos/keys.h \
	libshared/augment/typos/typos.c libshared/augment/typos/typos.h

check_PROGRAMS += tests/unit/check_typos
tests_unit_check_typos_SOURCES = tests/unit/check_typos.c tests/unit/drafts.c tests/unit/drafts.h \
	tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_typos_CPPFLAGS = $(unit_cppflags)
tests_unit_check_typos_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_typos
