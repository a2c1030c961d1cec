liblmutils_la_SOURCES += \
	libshared/train/preference/options.c \
	libshared/train/preference/preference.c libshared/train/preference/preference.h

check_PROGRAMS += tests/unit/check_preference
tests_unit_check_preference_SOURCES = tests/unit/check_preference.c
tests_unit_check_preference_CPPFLAGS = $(unit_cppflags)
tests_unit_check_preference_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_preference
