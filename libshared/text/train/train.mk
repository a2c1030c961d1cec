liblmutils_la_SOURCES += \
	libshared/text/train/alphabet.c libshared/text/train/alphabet.h \
	libshared/text/train/merges.c libshared/text/train/merges.h \
	libshared/text/train/scratch.c libshared/text/train/scratch.h \
	libshared/text/train/specs.c libshared/text/train/specs.h \
	libshared/text/train/string_sort.c libshared/text/train/string_sort.h \
	libshared/text/train/train.c libshared/text/train/train.h \
	libshared/text/train/unigram.c libshared/text/train/unigram.h \
	libshared/text/train/unigram_internal.h \
	libshared/text/train/unigram_lattice.c libshared/text/train/unigram_seeds.c \
	libshared/text/train/word_counts.c libshared/text/train/word_counts.h \
	libshared/text/train/words.c libshared/text/train/words.h
