liblmutils_la_SOURCES += \
	libshared/augment/quality/addresses.c \
	libshared/augment/quality/c4.c \
	libshared/augment/quality/char_classes.c \
	libshared/augment/quality/filter.c \
	libshared/augment/quality/filters.h \
	libshared/augment/quality/fineweb.c \
	libshared/augment/quality/gopher.c \
	libshared/augment/quality/judging.c \
	libshared/augment/quality/judging.h \
	libshared/augment/quality/length.c \
	libshared/augment/quality/ngrams.c \
	libshared/augment/quality/ngrams.h \
	libshared/augment/quality/seen.c \
	libshared/augment/quality/seen.h \
	libshared/augment/quality/special_words.c \
	libshared/augment/quality/stop_words.c \
	libshared/augment/quality/stop_words.h \
	libshared/augment/quality/word_rules.h \
	libshared/augment/quality/words.c \
	libshared/augment/quality/words.h
