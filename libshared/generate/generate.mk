liblmutils_la_SOURCES += \
	libshared/generate/greedy.c libshared/generate/greedy.h

check_PROGRAMS += tests/unit/check_generate
tests_unit_check_generate_SOURCES = tests/unit/check_generate.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_generate_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_generate_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_generate
