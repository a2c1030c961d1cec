liblmutils_la_SOURCES += \
	libshared/train/adapting.c libshared/train/adapting.h \
	libshared/train/adapting_options.c \
	libshared/train/arrange.c \
	libshared/train/balance.c \
	libshared/train/checkpoint.c libshared/train/checkpoint.h \
	libshared/train/classes.c \
	libshared/train/evaluate.c \
	libshared/train/guard.c libshared/train/guard.h \
	libshared/train/guarded.c \
	libshared/train/kept.c libshared/train/kept.h \
	libshared/train/loop.c \
	libshared/train/make.c \
	libshared/train/memory.c \
	libshared/train/new_model.c libshared/train/new_model.h \
	libshared/train/options.c libshared/train/options.h \
	libshared/train/plan.c libshared/train/plan.h \
	libshared/train/qat.c \
	libshared/train/run.c libshared/train/run.h libshared/train/run_internal.h \
	libshared/train/save.c \
	libshared/train/sweep.c libshared/train/sweep.h \
	libshared/train/tokenizer_files.c libshared/train/tokenizer_files.h

check_PROGRAMS += tests/unit/check_train
tests_unit_check_train_SOURCES = tests/unit/check_train.c
tests_unit_check_train_CPPFLAGS = $(unit_cppflags)
tests_unit_check_train_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_train

check_PROGRAMS += tests/unit/check_denoising
tests_unit_check_denoising_SOURCES = tests/unit/check_denoising.c
tests_unit_check_denoising_CPPFLAGS = $(unit_cppflags)
tests_unit_check_denoising_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_denoising
EXTRA_DIST += tests/unit/denoising.json tests/unit/denoising.py

check_PROGRAMS += tests/unit/check_optimizers
tests_unit_check_optimizers_SOURCES = tests/unit/check_optimizers.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_optimizers_CPPFLAGS = $(unit_cppflags)
tests_unit_check_optimizers_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_optimizers
EXTRA_DIST += tests/unit/optimizers.json tests/unit/optimizers.py

check_PROGRAMS += tests/unit/check_balance
tests_unit_check_balance_SOURCES = tests/unit/check_balance.c tests/unit/scratch.c tests/unit/scratch.h \
	tests/unit/numbered_rows.c tests/unit/numbered_rows.h tests/unit/row_file.c tests/unit/row_file.h
tests_unit_check_balance_CPPFLAGS = $(unit_cppflags)
tests_unit_check_balance_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_balance

check_PROGRAMS += tests/unit/check_guard
tests_unit_check_guard_SOURCES = tests/unit/check_guard.c
tests_unit_check_guard_CPPFLAGS = $(unit_cppflags)
tests_unit_check_guard_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_guard

check_PROGRAMS += tests/unit/check_mixture
tests_unit_check_mixture_SOURCES = tests/unit/check_mixture.c tests/unit/scratch.c tests/unit/scratch.h \
	tests/unit/numbered_rows.c tests/unit/numbered_rows.h tests/unit/row_file.c tests/unit/row_file.h
tests_unit_check_mixture_CPPFLAGS = $(unit_cppflags)
tests_unit_check_mixture_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_mixture

check_PROGRAMS += tests/unit/check_sparse
tests_unit_check_sparse_SOURCES = tests/unit/check_sparse.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_sparse_CPPFLAGS = $(unit_cppflags)
tests_unit_check_sparse_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_sparse

check_PROGRAMS += tests/unit/check_narrow
tests_unit_check_narrow_SOURCES = tests/unit/check_narrow.c $(adapted_sources) \
	tests/unit/made_rows.c tests/unit/made_rows.h tests/unit/row_file.c tests/unit/row_file.h
tests_unit_check_narrow_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_narrow_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_narrow

check_PROGRAMS += tests/unit/check_freeze
tests_unit_check_freeze_SOURCES = tests/unit/check_freeze.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_freeze_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_freeze_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_freeze

check_PROGRAMS += tests/unit/check_instances
tests_unit_check_instances_SOURCES = tests/unit/check_instances.c tests/unit/scratch.c tests/unit/scratch.h \
	tests/unit/made_rows.c tests/unit/made_rows.h tests/unit/row_file.c tests/unit/row_file.h
tests_unit_check_instances_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_instances_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_instances

check_PROGRAMS += tests/unit/check_sentence_pairs
tests_unit_check_sentence_pairs_SOURCES = tests/unit/check_sentence_pairs.c tests/unit/scratch.c tests/unit/scratch.h \
	tests/unit/made_rows.c tests/unit/made_rows.h tests/unit/row_file.c tests/unit/row_file.h
tests_unit_check_sentence_pairs_CPPFLAGS = $(unit_cppflags)
tests_unit_check_sentence_pairs_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_sentence_pairs

check_PROGRAMS += tests/unit/check_objectives
tests_unit_check_objectives_SOURCES = tests/unit/check_objectives.c
tests_unit_check_objectives_CPPFLAGS = $(unit_cppflags)
tests_unit_check_objectives_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_objectives

check_PROGRAMS += tests/unit/check_parallel
tests_unit_check_parallel_SOURCES = tests/unit/check_parallel.c
tests_unit_check_parallel_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_parallel_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_parallel
