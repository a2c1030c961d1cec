liblmutils_la_SOURCES += \
	libshared/text/models/models.c libshared/text/models/models.h \
	libshared/text/models/tables.c libshared/text/models/tables.h \
	libshared/text/models/wordpiece.c
