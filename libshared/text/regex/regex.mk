liblmutils_la_SOURCES += \
	libshared/text/regex/pattern.c \
	libshared/text/regex/pattern.h \
	libshared/text/regex/regex.c \
	libshared/text/regex/regex.h \
	libshared/text/regex/regex_class.c \
	libshared/text/regex/regex_internal.h \
	libshared/text/regex/regex_syntax.c
