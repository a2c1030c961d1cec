liblmutils_la_SOURCES += \
	libshared/metrics/metrics.c libshared/metrics/metrics.h \
	libshared/metrics/report.c libshared/metrics/report.h
noinst_HEADERS += libshared/metrics/evaluate.h

check_PROGRAMS += tests/unit/check_metrics
tests_unit_check_metrics_SOURCES = tests/unit/check_metrics.c
tests_unit_check_metrics_CPPFLAGS = $(unit_cppflags)
tests_unit_check_metrics_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_metrics
