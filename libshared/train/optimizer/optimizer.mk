liblmutils_la_SOURCES += \
	libshared/train/optimizer/optimizer.c libshared/train/optimizer/optimizer.h \
	libshared/train/optimizer/optimizer_options.c libshared/train/optimizer/optimizer_options.h \
	libshared/train/optimizer/optimizer_states.c libshared/train/optimizer/optimizer_states.h \
	libshared/train/optimizer/period.c libshared/train/optimizer/period.h \
	libshared/train/optimizer/schedule.c libshared/train/optimizer/schedule.h
