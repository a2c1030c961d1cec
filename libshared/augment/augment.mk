liblmutils_la_SOURCES += \
	libshared/augment/augment.h libshared/augment/operations.c
