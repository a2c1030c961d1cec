# make bench/steps: not built by default
EXTRA_PROGRAMS = tests/bench/steps
tests_bench_steps_SOURCES = tests/bench/steps.c tests/bench/clock.h tests/bench/rate.h tests/bench/shapes.c tests/bench/shapes.h
tests_bench_steps_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_bench_steps_LDADD = liblmutils.la $(BLAS_LIBS)
CLEANFILES += tests/bench/steps tests/bench/decode tests/bench/optimisers tests/bench/blocks \
	tests/bench/quantised tests/bench/encode tests/bench/hostile

EXTRA_PROGRAMS += tests/bench/decode
tests_bench_decode_SOURCES = tests/bench/decode.c tests/bench/clock.h tests/bench/rate.h tests/bench/shapes.c tests/bench/shapes.h
tests_bench_decode_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_bench_decode_LDADD = liblmutils.la

EXTRA_PROGRAMS += tests/bench/quantised
tests_bench_quantised_SOURCES = tests/bench/quantised.c tests/bench/peers/ggml.h tests/bench/clock.h tests/bench/rate.h
tests_bench_quantised_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_bench_quantised_LDADD = liblmutils.la -ldl

EXTRA_PROGRAMS += tests/bench/optimisers
tests_bench_optimisers_SOURCES = tests/bench/optimisers.c
tests_bench_optimisers_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_optimisers_LDADD = liblmutils.la

# beside PyTorch, llm.c and onnxruntime, where they are: tests/bench/bench says how
bench: tests/bench/steps$(EXEEXT)
	bash $(srcdir)/tests/bench/bench
# products with quantised weights; GGML: a directory of ggml's libraries, which are measured beside
bench-quantised: tests/bench/quantised$(EXEEXT)
	tests/bench/quantised $(if $(CPU),-c) $(if $(THREADS),-j $(THREADS)) $(if $(GGML),-l $(GGML))
# prompts and answers of a model beside llama.cpp: tests/bench/generate says how
bench-generate: tests/bench/decode$(EXEEXT) quant$(EXEEXT)
	bash $(srcdir)/tests/bench/generate
# texts, and what augment does to them: tests/bench/augment says how
bench-augment: augment$(EXEEXT)
	bash $(srcdir)/tests/bench/augment
# texts to tokens, beside other tokenizers, where they are: tests/bench/tok says how
bench-tok: tok$(EXEEXT) tests/bench/encode$(EXEEXT) tests/bench/hostile$(EXEEXT)
	bash $(srcdir)/tests/bench/tok
# streams and texts through lms and augment, beside cat: tests/bench/stream says how
bench-stream: lms$(EXEEXT) augment$(EXEEXT) tok$(EXEEXT)
	bash $(srcdir)/tests/bench/stream
EXTRA_DIST += tests/bench/stream tests/bench/tok tests/bench/peers/tokenize.mjs tests/bench/augment tests/bench/bench tests/bench/generate tests/bench/lora tests/bench/quant tests/bench/tasks \
	tests/bench/peers/llama_decode.cpp tests/bench/peers/torch_bert.py tests/bench/peers/torch_steps.py \
	tests/bench/peers/fasttext_lines.py tests/bench/peers/llmc_steps.c tests/bench/peers/onnx_export.py \
	tests/bench/peers/onnx_score.mjs

EXTRA_PROGRAMS += tests/bench/blocks
tests_bench_blocks_SOURCES = tests/bench/blocks.c
tests_bench_blocks_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_blocks_LDADD = liblmutils.la

EXTRA_PROGRAMS += tests/bench/encode
tests_bench_encode_SOURCES = tests/bench/encode.c
tests_bench_encode_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_encode_LDADD = liblmutils.la

EXTRA_PROGRAMS += tests/bench/hostile
tests_bench_hostile_SOURCES = tests/bench/hostile.c
tests_bench_hostile_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_hostile_LDADD = liblmutils.la
