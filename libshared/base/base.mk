liblmutils_la_SOURCES += \
	libshared/base/arena.c libshared/base/arena.h \
	libshared/base/atomic.c libshared/base/atomic.h \
	libshared/base/atomic_dir.c \
	libshared/base/best_fit.c libshared/base/best_fit.h \
	libshared/base/buffer.c libshared/base/buffer.h \
	libshared/base/coprocess.c libshared/base/coprocess.h \
	libshared/base/digest.h \
	libshared/base/line_filter.c libshared/base/line_filter.h \
	libshared/base/log.c libshared/base/log.h \
	libshared/base/map.c libshared/base/map.h \
	libshared/base/memory.c libshared/base/memory.h \
	libshared/base/number.c libshared/base/number.h \
	libshared/base/option_completion.c libshared/base/option_help.c \
	libshared/base/option_table.h libshared/base/option_values.c \
	libshared/base/options.c libshared/base/options.h \
	libshared/base/plot.c libshared/base/plot.h \
	libshared/base/progress.c libshared/base/progress.h \
	libshared/base/python_float.c libshared/base/python_float.h \
	libshared/base/random.c libshared/base/random.h \
	libshared/base/signals.c libshared/base/signals.h \
	libshared/base/status.c libshared/base/status.h \
	libshared/base/temporary.c libshared/base/temporary.h \
	libshared/base/terminal.c libshared/base/terminal.h \
	libshared/base/threads.c libshared/base/threads.h \
	libshared/base/tool.c libshared/base/tool.h \
	libshared/base/utf8.c libshared/base/utf8.h \
	libshared/base/vector.h

check_PROGRAMS += tests/unit/check_base
tests_unit_check_base_SOURCES = tests/unit/check_base.c tests/unit/check_base.h \
	tests/unit/check_base_files.c tests/unit/check_base_numbers.c tests/unit/check_base_options.c \
	tests/unit/check_base_progress.c
tests_unit_check_base_CPPFLAGS = $(unit_cppflags)
tests_unit_check_base_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_base

check_PROGRAMS += tests/unit/check_line_filter
tests_unit_check_line_filter_SOURCES = tests/unit/check_line_filter.c
tests_unit_check_line_filter_CPPFLAGS = $(unit_cppflags)
tests_unit_check_line_filter_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_line_filter
