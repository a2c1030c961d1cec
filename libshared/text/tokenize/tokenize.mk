liblmutils_la_SOURCES += \
	libshared/text/tokenize/detokenize.c \
	libshared/text/tokenize/source.c \
	libshared/text/tokenize/source.h \
	libshared/text/tokenize/tokenize.c \
	libshared/text/tokenize/tokenize.h \
	libshared/text/tokenize/labels.c \
	libshared/text/tokenize/lines.c \
	libshared/text/tokenize/masks.c \
	libshared/text/tokenize/pack.c \
	libshared/text/tokenize/sinks.c \
	libshared/text/tokenize/sinks.h \
	libshared/text/tokenize/stats.c \
	libshared/text/tokenize/agreement.c \
	libshared/text/tokenize/agreement.h \
	libshared/text/tokenize/answers.c \
	libshared/text/tokenize/turns.c \
	libshared/text/tokenize/turns.h
