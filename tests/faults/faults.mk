# Faults for the tests of what a program leaves behind (tests/pipelines/train-kill.sh).
check_LTLIBRARIES += tests/faults/faults.la

tests_faults_faults_la_SOURCES = tests/faults/faults.c
tests_faults_faults_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath $(abs_top_builddir)/tests/faults
tests_faults_faults_la_LIBADD = -ldl
