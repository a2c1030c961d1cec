liblmutils_la_SOURCES += \
	libshared/augment/noise/jamo.c \
	libshared/augment/noise/keyboard.c \
	libshared/augment/noise/noise.c libshared/augment/noise/noise.h \
	libshared/augment/noise/ocr.c \
	libshared/augment/noise/spoil.h \
	libshared/augment/noise/typo.c
