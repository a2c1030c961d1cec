# bench

# make bench/steps: not built by default
EXTRA_PROGRAMS = tests/bench/steps
tests_bench_steps_SOURCES = tests/bench/steps.c
tests_bench_steps_LDADD = liblmutils.la $(BLAS_LIBS)
CLEANFILES += tests/bench/steps
