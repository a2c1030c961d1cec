liblmutils_la_SOURCES += \
	libshared/train/reports/card.c \
	libshared/train/reports/example.c \
	libshared/train/reports/report.c \
	libshared/train/reports/runlog.c libshared/train/reports/runlog.h \
	libshared/train/reports/tensorboard.c libshared/train/reports/tensorboard.h \
	libshared/train/reports/watch.c libshared/train/reports/watch.h
