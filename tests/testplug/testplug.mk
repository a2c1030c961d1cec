# Plugins of the tests' own: an architecture that the programs do not have yet.
check_LTLIBRARIES += tests/testplug/causal.la tests/testplug/gconv.la

tests_testplug_causal_la_SOURCES = tests/testplug/causal.c
tests_testplug_causal_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath $(abs_top_builddir)/tests/testplug
tests_testplug_causal_la_LIBADD = liblmutils.la

# the example of a plugin; tests/pipelines/plugin-example.sh builds it as its author would
tests_testplug_gconv_la_SOURCES = examples/plugin/gconv.c
tests_testplug_gconv_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath $(abs_top_builddir)/tests/testplug
tests_testplug_gconv_la_LIBADD = liblmutils.la
