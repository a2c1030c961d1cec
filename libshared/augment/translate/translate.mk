liblmutils_la_SOURCES += \
	libshared/augment/translate/segments.c libshared/augment/translate/segments.h \
	libshared/augment/translate/translate.c libshared/augment/translate/translate.h
