liblmutils_la_SOURCES += \
	libshared/base/arena.c libshared/base/arena.h \
	libshared/base/buffer.c libshared/base/buffer.h \
	libshared/base/memory.c libshared/base/memory.h \
	libshared/base/status.c libshared/base/status.h

check_PROGRAMS += tests/unit/check_base
tests_unit_check_base_SOURCES = tests/unit/check_base.c
tests_unit_check_base_CPPFLAGS = $(unit_cppflags)
tests_unit_check_base_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_base
