liblmutils_la_SOURCES += \
	libshared/text/files/files.c
