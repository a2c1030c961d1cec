liblmutils_la_SOURCES += \
	libshared/augment/clean/clean.h \
	libshared/augment/clean/cleaner.c \
	libshared/augment/clean/control.c \
	libshared/augment/clean/encodings.c libshared/augment/clean/encodings.h \
	libshared/augment/clean/entries.c \
	libshared/augment/clean/html.c libshared/augment/clean/html.h \
	libshared/augment/clean/html_entities.c \
	libshared/augment/clean/markup.c \
	libshared/augment/clean/masks.c \
	libshared/augment/clean/mojibake.c \
	libshared/augment/clean/normal_form.c \
	libshared/augment/clean/script.c \
	libshared/augment/clean/squeeze.c \
	libshared/augment/clean/white_space.c

check_PROGRAMS += tests/unit/check_clean
tests_unit_check_clean_SOURCES = tests/unit/check_clean.c
tests_unit_check_clean_CPPFLAGS = $(unit_cppflags)
tests_unit_check_clean_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_clean
