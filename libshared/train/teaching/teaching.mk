liblmutils_la_SOURCES += \
	libshared/train/teaching/directions.c \
	libshared/train/teaching/internal.h \
	libshared/train/teaching/layers.c \
	libshared/train/teaching/narrow.c libshared/train/teaching/narrow.h \
	libshared/train/teaching/options.c \
	libshared/train/teaching/recipes.c \
	libshared/train/teaching/student.c \
	libshared/train/teaching/teaching.c libshared/train/teaching/teaching.h
