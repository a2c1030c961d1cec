liblmutils_la_SOURCES += \
	libshared/generate/beam.c libshared/generate/beam.h \
	libshared/generate/speculative.c libshared/generate/speculative.h \
	libshared/generate/answers.c libshared/generate/answers.h \
	libshared/generate/engine.c libshared/generate/generate.h \
	libshared/generate/fill_mask.c libshared/generate/fill_mask.h \
	libshared/generate/gen.c libshared/generate/gen.h \
	libshared/generate/prompts.c libshared/generate/prompts.h libshared/generate/shots.c \
	libshared/generate/stops.c \
	libshared/generate/stop_strings.c libshared/generate/stop_strings.h \
	libshared/generate/token_rows.c libshared/generate/token_rows.h \
	libshared/generate/writing.c libshared/generate/writing.h \
	libshared/generate/sampler.c libshared/generate/sampler.h libshared/generate/sampling.c

check_PROGRAMS += tests/unit/check_generate
tests_unit_check_generate_SOURCES = tests/unit/check_generate.c tests/unit/asked.h tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_generate_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_generate_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_generate

check_PROGRAMS += tests/unit/check_sampler
tests_unit_check_sampler_SOURCES = tests/unit/check_sampler.c
tests_unit_check_sampler_CPPFLAGS = $(unit_cppflags)
tests_unit_check_sampler_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_sampler

check_PROGRAMS += tests/unit/check_beam
tests_unit_check_beam_SOURCES = tests/unit/check_beam.c tests/unit/asked.h
tests_unit_check_beam_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_beam_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_beam

check_PROGRAMS += tests/unit/check_speculative
tests_unit_check_speculative_SOURCES = tests/unit/check_speculative.c tests/unit/asked.h
tests_unit_check_speculative_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_speculative_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_speculative
