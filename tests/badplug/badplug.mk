# Plugins with a fault each, for check_model; "good" has none.
badplugs = \
	tests/badplug/abi.la \
	tests/badplug/arch.la \
	tests/badplug/crash.la \
	tests/badplug/deafhead.la \
	tests/badplug/good.la \
	tests/badplug/leave.la \
	tests/badplug/magic.la \
	tests/badplug/noblock.la \
	tests/badplug/noheads.la \
	tests/badplug/nosymbol.la \
	tests/badplug/nothing.la \
	tests/badplug/notypes.la \
	tests/badplug/older.la \
	tests/badplug/short.la \
	tests/badplug/size.la \
	tests/badplug/twin.la \
	tests/badplug/undefined.la
badplug_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -rpath $(abs_top_builddir)/tests/badplug
check_LTLIBRARIES += $(badplugs)
noinst_HEADERS += tests/badplug/badplug.h

tests_badplug_abi_la_SOURCES = tests/badplug/abi.c
tests_badplug_abi_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_abi_la_LIBADD = liblmutils.la

tests_badplug_deafhead_la_SOURCES = tests/badplug/deafhead.c
tests_badplug_deafhead_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_deafhead_la_LIBADD = liblmutils.la

tests_badplug_good_la_SOURCES = tests/badplug/good.c
tests_badplug_good_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_good_la_LIBADD = liblmutils.la

tests_badplug_magic_la_SOURCES = tests/badplug/magic.c
tests_badplug_magic_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_magic_la_LIBADD = liblmutils.la

tests_badplug_noblock_la_SOURCES = tests/badplug/noblock.c
tests_badplug_noblock_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_noblock_la_LIBADD = liblmutils.la

tests_badplug_noheads_la_SOURCES = tests/badplug/noheads.c
tests_badplug_noheads_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_noheads_la_LIBADD = liblmutils.la

tests_badplug_nosymbol_la_SOURCES = tests/badplug/nosymbol.c
tests_badplug_nosymbol_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_nosymbol_la_LIBADD = liblmutils.la

tests_badplug_nothing_la_SOURCES = tests/badplug/nothing.c
tests_badplug_nothing_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_nothing_la_LIBADD = liblmutils.la

tests_badplug_notypes_la_SOURCES = tests/badplug/notypes.c
tests_badplug_notypes_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_notypes_la_LIBADD = liblmutils.la

tests_badplug_older_la_SOURCES = tests/badplug/older.c
tests_badplug_older_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_older_la_LIBADD = liblmutils.la

tests_badplug_size_la_SOURCES = tests/badplug/size.c
tests_badplug_size_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_size_la_LIBADD = liblmutils.la

tests_badplug_twin_la_SOURCES = tests/badplug/twin.c
tests_badplug_twin_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_twin_la_LIBADD = liblmutils.la

tests_badplug_undefined_la_SOURCES = tests/badplug/undefined.c
tests_badplug_undefined_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_undefined_la_LIBADD = liblmutils.la

tests_badplug_arch_la_SOURCES = tests/badplug/arch.c
tests_badplug_arch_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_arch_la_LIBADD = liblmutils.la

tests_badplug_crash_la_SOURCES = tests/badplug/crash.c
tests_badplug_crash_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_crash_la_LIBADD = liblmutils.la

tests_badplug_leave_la_SOURCES = tests/badplug/leave.c
tests_badplug_leave_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_leave_la_LIBADD = liblmutils.la

tests_badplug_short_la_SOURCES = tests/badplug/short.c
tests_badplug_short_la_LDFLAGS = $(badplug_ldflags)
tests_badplug_short_la_LIBADD = liblmutils.la
