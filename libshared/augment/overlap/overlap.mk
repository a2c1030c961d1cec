liblmutils_la_SOURCES += \
	libshared/augment/overlap/anchors.c libshared/augment/overlap/anchors.h \
	libshared/augment/overlap/cuts.c libshared/augment/overlap/cuts.h \
	libshared/augment/overlap/decontaminate.c \
	libshared/augment/overlap/overlap.c libshared/augment/overlap/overlap.h \
	libshared/augment/overlap/spans.c libshared/augment/overlap/stretches.h \
	libshared/augment/overlap/substring.c \
	libshared/augment/overlap/words.c libshared/augment/overlap/words.h

check_PROGRAMS += tests/unit/check_overlap
tests_unit_check_overlap_SOURCES = tests/unit/check_overlap.c tests/unit/drafts.c tests/unit/drafts.h \
	tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_overlap_CPPFLAGS = $(unit_cppflags)
tests_unit_check_overlap_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_overlap
