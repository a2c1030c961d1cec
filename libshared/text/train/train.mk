liblmutils_la_SOURCES += \
	libshared/text/train/train.c libshared/text/train/train.h libshared/text/train/wordpiece.c \
	libshared/text/train/word_counts.c libshared/text/train/word_counts.h
