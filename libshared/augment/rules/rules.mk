liblmutils_la_SOURCES += \
	libshared/augment/rules/rule.h \
	libshared/augment/rules/rule_apply.c \
	libshared/augment/rules/rule_file.c \
	libshared/augment/rules/rules.c \
	libshared/augment/rules/rules.h

check_PROGRAMS += tests/unit/check_rules
tests_unit_check_rules_SOURCES = tests/unit/check_rules.c tests/unit/drafts.c tests/unit/drafts.h \
	tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_rules_CPPFLAGS = $(unit_cppflags)
tests_unit_check_rules_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_rules
