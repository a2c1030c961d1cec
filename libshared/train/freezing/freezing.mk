liblmutils_la_SOURCES += \
	libshared/train/freezing/freeze.c libshared/train/freezing/freeze.h \
	libshared/train/freezing/frozen.c libshared/train/freezing/frozen.h \
	libshared/train/freezing/prefix_cache.c libshared/train/freezing/prefix_cache.h \
	libshared/train/freezing/trained.c
