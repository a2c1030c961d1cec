liblmutils_la_SOURCES += \
	libshared/text/models/models.c
