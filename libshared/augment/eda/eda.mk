liblmutils_la_SOURCES += \
	libshared/augment/draws.h \
	libshared/augment/eda/eda.c libshared/augment/eda/eda.h \
	libshared/augment/eda/edits.c libshared/augment/eda/edits.h \
	libshared/augment/eda/josa.c libshared/augment/eda/josa.h \
	libshared/augment/eda/synonyms.c libshared/augment/eda/synonyms.h \
	libshared/augment/eda/thesaurus.c libshared/augment/eda/thesaurus.h \
	libshared/augment/eda/wordnet.c libshared/augment/eda/wordnet.h
