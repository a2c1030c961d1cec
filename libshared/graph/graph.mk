liblmutils_la_SOURCES += \
	libshared/graph/adapter.c libshared/graph/adapter.h \
	libshared/graph/adapter_ops.c \
	libshared/graph/balanced.c \
	libshared/graph/custom.c \
	libshared/graph/distillation.c libshared/graph/distillation.h \
	libshared/graph/fake.c libshared/graph/fake.h \
	libshared/graph/kv_cache.c libshared/graph/kv_cache.h \
	libshared/graph/graph.c libshared/graph/graph.h \
	libshared/graph/layers.c \
	libshared/graph/logprobs.c libshared/graph/logprobs.h \
	libshared/graph/losses.c \
	libshared/graph/ngrams.c \
	libshared/graph/ops.c \
	libshared/graph/params.c libshared/graph/params.h \
	libshared/graph/pieces.c \
	libshared/graph/relation.c \
	libshared/graph/relative.c libshared/graph/relative.h \
	libshared/graph/rope.c \
	libshared/graph/recurrent.c \
	libshared/graph/row_grad.c libshared/graph/row_grad.h \
	libshared/graph/span_loss.c \
	libshared/graph/tape.h

check_PROGRAMS += tests/unit/check_fake
tests_unit_check_fake_SOURCES = tests/unit/check_fake.c
tests_unit_check_fake_CPPFLAGS = $(unit_cppflags)
tests_unit_check_fake_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_fake

check_PROGRAMS += tests/unit/check_gradients
tests_unit_check_gradients_SOURCES = tests/unit/check_gradients.c tests/unit/check_gradients.inc
tests_unit_check_gradients_CPPFLAGS = $(unit_cppflags)
tests_unit_check_gradients_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_gradients

check_PROGRAMS += tests/unit/check_graph
tests_unit_check_graph_SOURCES = tests/unit/check_graph.c
tests_unit_check_graph_CPPFLAGS = $(unit_cppflags)
tests_unit_check_graph_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_graph

check_PROGRAMS += tests/unit/check_recurrent
tests_unit_check_recurrent_SOURCES = tests/unit/check_recurrent.c
tests_unit_check_recurrent_CPPFLAGS = $(unit_cppflags)
tests_unit_check_recurrent_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_recurrent
EXTRA_DIST += tests/unit/recurrent.json

check_PROGRAMS += tests/unit/check_distillation
tests_unit_check_distillation_SOURCES = tests/unit/check_distillation.c
tests_unit_check_distillation_CPPFLAGS = $(unit_cppflags)
tests_unit_check_distillation_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_distillation
