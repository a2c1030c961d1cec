liblmutils_la_SOURCES += \
	libshared/graph/graph.c libshared/graph/graph.h \
	libshared/graph/layers.c \
	libshared/graph/losses.c \
	libshared/graph/ops.c \
	libshared/graph/params.c libshared/graph/params.h \
	libshared/graph/tape.h
