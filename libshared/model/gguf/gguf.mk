liblmutils_la_SOURCES += \
	libshared/model/gguf/gguf_config.c \
	libshared/model/gguf/gguf_describe.c \
	libshared/model/gguf/gguf_families.c libshared/model/gguf/gguf_families.h \
	libshared/model/gguf/gguf_members.c \
	libshared/model/gguf/gguf_model.h \
	libshared/model/gguf/gguf_names.c \
	libshared/model/gguf/gguf_values.c

check_PROGRAMS += tests/unit/check_gguf_model
tests_unit_check_gguf_model_SOURCES = tests/unit/check_gguf_model.c
tests_unit_check_gguf_model_CPPFLAGS = $(unit_cppflags)
tests_unit_check_gguf_model_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_gguf_model
