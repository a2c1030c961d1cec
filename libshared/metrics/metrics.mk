liblmutils_la_SOURCES += \
	libshared/metrics/answers.c libshared/metrics/answers.h \
	libshared/metrics/bootstrap.c libshared/metrics/bootstrap.h \
	libshared/metrics/chart.c libshared/metrics/chart.h \
	libshared/metrics/curves.c libshared/metrics/curves.h \
	libshared/metrics/compare.c libshared/metrics/compare.h \
	libshared/metrics/confusion_text.c \
	libshared/metrics/choices.c libshared/metrics/choices.h libshared/metrics/choices_run.c \
	libshared/metrics/divergence.c libshared/metrics/divergence_sums.c libshared/metrics/divergence_weights.c \
	libshared/metrics/divergence.h libshared/metrics/divergence_internal.h \
	libshared/metrics/emit.c libshared/metrics/emit.h libshared/metrics/emit_lines.c \
	libshared/metrics/entities.c libshared/metrics/entities.h \
	libshared/metrics/evaluate.c libshared/metrics/evaluate.h \
	libshared/metrics/fields.c libshared/metrics/fields.h \
	libshared/metrics/findings.c libshared/metrics/findings.h \
	libshared/metrics/gates.c libshared/metrics/gates.h \
	libshared/metrics/gather.c libshared/metrics/gather.h \
	libshared/metrics/held.c libshared/metrics/held.h \
	libshared/metrics/html.c libshared/metrics/html.h \
	libshared/metrics/html_style.c libshared/metrics/html_style.h \
	libshared/metrics/importance.c libshared/metrics/importance.h \
	libshared/metrics/metrics.c libshared/metrics/metrics.h \
	libshared/metrics/measures.c libshared/metrics/numbers.c \
	libshared/metrics/outcomes.c libshared/metrics/outcomes.h \
	libshared/metrics/packing.c libshared/metrics/packing.h \
	libshared/metrics/pseudo.c libshared/metrics/pseudo.h \
	libshared/metrics/ranking.c libshared/metrics/ranking.h \
	libshared/metrics/report.c libshared/metrics/report.h \
	libshared/metrics/rival.c libshared/metrics/rival.h \
	libshared/metrics/resampled.c libshared/metrics/resampled.h \
	libshared/metrics/score.c libshared/metrics/score.h \
	libshared/metrics/score_choices.c libshared/metrics/score_choices.h \
	libshared/metrics/score_options.c libshared/metrics/score_options.h \
	libshared/metrics/score_written.c libshared/metrics/score_written.h \
	libshared/metrics/tally.c libshared/metrics/tally.h \
	libshared/metrics/wording.c libshared/metrics/wording.h

check_PROGRAMS += tests/unit/check_metrics
tests_unit_check_metrics_SOURCES = tests/unit/check_metrics.c
tests_unit_check_metrics_CPPFLAGS = $(unit_cppflags)
tests_unit_check_metrics_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_metrics

check_PROGRAMS += tests/unit/check_divergence
tests_unit_check_divergence_SOURCES = tests/unit/check_divergence.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_divergence_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_divergence_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_divergence

check_PROGRAMS += tests/unit/check_importance
tests_unit_check_importance_SOURCES = tests/unit/check_importance.c
tests_unit_check_importance_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_importance_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_importance

check_PROGRAMS += tests/unit/check_measures
tests_unit_check_measures_SOURCES = tests/unit/check_measures.c
tests_unit_check_measures_CPPFLAGS = $(unit_cppflags)
tests_unit_check_measures_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_measures
EXTRA_DIST += tests/unit/measures.json

check_PROGRAMS += tests/unit/check_evaluate
tests_unit_check_evaluate_SOURCES = tests/unit/check_evaluate.c tests/unit/golden.c tests/unit/golden.h tests/unit/npz.c tests/unit/npz.h \
	tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_evaluate_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_evaluate_LDADD = $(unit_ldadd) $(LIBARCHIVE_LIBS) -lm
TESTS += tests/unit/check_evaluate

# makes and compares streams for the pipeline tests of score
check_PROGRAMS += tests/unit/golden_stream
tests_unit_golden_stream_SOURCES = tests/unit/golden_stream.c tests/unit/golden.c tests/unit/golden.h tests/unit/npz.c tests/unit/npz.h
tests_unit_golden_stream_CPPFLAGS = $(unit_cppflags)
tests_unit_golden_stream_LDADD = $(unit_ldadd) $(LIBARCHIVE_LIBS) -lm

check_PROGRAMS += tests/unit/check_answers
tests_unit_check_answers_SOURCES = tests/unit/check_answers.c
tests_unit_check_answers_CPPFLAGS = $(unit_cppflags)
tests_unit_check_answers_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_answers
