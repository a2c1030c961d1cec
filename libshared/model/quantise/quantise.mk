liblmutils_la_SOURCES += \
	libshared/model/quantise/params.c libshared/model/quantise/params.h \
	libshared/model/quantise/plan.c libshared/model/quantise/plan.h \
	libshared/model/quantise/types.c libshared/model/quantise/types.h
