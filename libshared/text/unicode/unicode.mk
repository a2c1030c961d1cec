liblmutils_la_SOURCES += \
	libshared/text/unicode/chars.c \
	libshared/text/unicode/chars.h \
	libshared/text/unicode/hangul.h \
	libshared/text/unicode/python_text.c \
	libshared/text/unicode/python_text.h \
	libshared/text/unicode/unicode.c \
	libshared/text/unicode/unicode.h \
	libshared/text/unicode/unicode_classes.c \
	libshared/text/unicode/unicode_data.c \
	libshared/text/unicode/unicode_data.h \
	libshared/text/unicode/unicode_kinds.c \
	libshared/text/unicode/unicode_scripts.c
