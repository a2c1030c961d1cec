liblmutils_la_SOURCES += \
	libshared/augment/dedup/clusters.c libshared/augment/dedup/clusters.h \
	libshared/augment/dedup/dedup.h libshared/augment/dedup/exact.c \
	libshared/augment/dedup/key.h libshared/augment/dedup/near.c libshared/augment/dedup/options.c \
	libshared/augment/dedup/seen.c libshared/augment/dedup/seen.h \
	libshared/augment/dedup/signature.c libshared/augment/dedup/signature.h \
	libshared/augment/dedup/simplify.c libshared/augment/dedup/simplify.h

EXTRA_DIST += tests/unit/dedup.json tests/unit/dedup.py

check_PROGRAMS += tests/unit/check_dedup
tests_unit_check_dedup_SOURCES = tests/unit/check_dedup.c tests/unit/drafts.c tests/unit/drafts.h
tests_unit_check_dedup_CPPFLAGS = $(unit_cppflags)
tests_unit_check_dedup_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_dedup
