liblmutils_la_SOURCES += \
	libshared/augment/augment.h \
	libshared/augment/balance.c libshared/augment/balance.h \
	libshared/augment/operations.c \
	libshared/augment/options.c libshared/augment/options.h \
	libshared/augment/run.c libshared/augment/run.h \
	libshared/augment/run_batch.c \
	libshared/augment/run_records.c \
	libshared/augment/run_report.c \
	libshared/augment/run_turns.c \
	libshared/augment/sample.c libshared/augment/sample.h

check_PROGRAMS += tests/unit/check_augment
tests_unit_check_augment_SOURCES = tests/unit/check_augment.c tests/unit/drafts.c tests/unit/drafts.h \
	tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_augment_CPPFLAGS = $(unit_cppflags)
tests_unit_check_augment_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_augment
