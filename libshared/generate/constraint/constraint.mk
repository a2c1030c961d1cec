liblmutils_la_SOURCES += \
	libshared/generate/constraint/byte_trie.c libshared/generate/constraint/byte_trie.h \
	libshared/generate/constraint/characters.c \
	libshared/generate/constraint/constraint.c libshared/generate/constraint/constraint.h \
	libshared/generate/constraint/derivative.c \
	libshared/generate/constraint/expression.c libshared/generate/constraint/expression.h \
	libshared/generate/constraint/expression_finish.c \
	libshared/generate/constraint/expression_internal.h \
	libshared/generate/constraint/numbers.c libshared/generate/constraint/numbers.h \
	libshared/generate/constraint/pattern.c libshared/generate/constraint/pattern.h \
	libshared/generate/constraint/pattern_class.c \
	libshared/generate/constraint/pattern_internal.h \
	libshared/generate/constraint/pattern_read.c \
	libshared/generate/constraint/schema.c libshared/generate/constraint/schema.h \
	libshared/generate/constraint/schema_internal.h \
	libshared/generate/constraint/schema_object.c \
	libshared/generate/constraint/schema_values.c

check_PROGRAMS += tests/unit/check_constraint
tests_unit_check_constraint_SOURCES = tests/unit/check_constraint.c
tests_unit_check_constraint_CPPFLAGS = $(unit_cppflags)
tests_unit_check_constraint_LDADD = $(unit_ldadd) $(PCRE2_LIBS)
TESTS += tests/unit/check_constraint
