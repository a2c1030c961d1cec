liblmutils_la_SOURCES += \
	libshared/model/quantise/bnb.c \
	libshared/model/quantise/fit.c \
	libshared/model/quantise/inspect.c \
	libshared/model/quantise/job.c libshared/model/quantise/job.h \
	libshared/model/quantise/params.c libshared/model/quantise/params.h \
	libshared/model/quantise/pass.c \
	libshared/model/quantise/plan.c libshared/model/quantise/plan.h \
	libshared/model/quantise/quantise.h \
	libshared/model/quantise/sink.c \
	libshared/model/quantise/types.c libshared/model/quantise/types.h

check_PROGRAMS += tests/unit/check_quantise_plan
tests_unit_check_quantise_plan_SOURCES = tests/unit/check_quantise_plan.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_quantise_plan_CPPFLAGS = $(unit_cppflags)
tests_unit_check_quantise_plan_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_quantise_plan
