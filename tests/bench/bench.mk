# bench

# make bench/steps: not built by default
EXTRA_PROGRAMS = tests/bench/steps
tests_bench_steps_SOURCES = tests/bench/steps.c
tests_bench_steps_LDADD = liblmutils.la $(BLAS_LIBS)
CLEANFILES += tests/bench/steps

# beside PyTorch where that is installed; SHAPES="tiny mini", TURNS=3, THREADS
bench: tests/bench/steps$(EXEEXT)
	bash $(srcdir)/tests/bench/bench
EXTRA_DIST += tests/bench/bench tests/bench/tasks tests/bench/peers/torch_bert.py tests/bench/peers/fasttext_lines.py \
	tests/bench/peers/onnx_export.py tests/bench/peers/onnx_score.mjs
