liblmutils_la_SOURCES += \
	libshared/augment/noise/jamo.c \
	libshared/augment/noise/keyboard.c \
	libshared/augment/noise/noise.c libshared/augment/noise/noise.h \
	libshared/augment/noise/ocr.c \
	libshared/augment/noise/spoil.h \
	libshared/augment/noise/typo.c

check_PROGRAMS += tests/unit/check_noise
tests_unit_check_noise_SOURCES = tests/unit/check_noise.c tests/unit/drafts.c tests/unit/drafts.h tests/unit/scratch.c \
	tests/unit/scratch.h
tests_unit_check_noise_CPPFLAGS = $(unit_cppflags)
tests_unit_check_noise_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_noise
