liblmutils_la_SOURCES += \
	libshared/augment/words/case.c libshared/augment/words/case.h \
	libshared/augment/words/share.c libshared/augment/words/share.h \
	libshared/augment/words/word_lines.c libshared/augment/words/word_lines.h \
	libshared/augment/words/word_set.c libshared/augment/words/word_set.h \
	libshared/augment/words/words.c libshared/augment/words/words.h
