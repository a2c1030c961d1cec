liblmutils_la_SOURCES += \
	libshared/augment/contextual/contextual.c libshared/augment/contextual/contextual.h \
	libshared/augment/contextual/masked_rows.c libshared/augment/contextual/masked_rows.h \
	libshared/augment/contextual/masking.c libshared/augment/contextual/masking.h \
	libshared/augment/contextual/whole_words.c libshared/augment/contextual/whole_words.h

check_PROGRAMS += tests/unit/check_contextual
tests_unit_check_contextual_SOURCES = tests/unit/check_contextual.c tests/unit/drafts.c tests/unit/drafts.h \
	tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_contextual_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_contextual_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_contextual
