liblmutils_la_SOURCES += \
	libshared/train/parallel/communicator.c libshared/train/parallel/communicator.h \
	libshared/train/parallel/exchange.c libshared/train/parallel/exchange.h \
	libshared/train/parallel/parallel.c libshared/train/parallel/parallel.h
