liblmutils_la_SOURCES += \
	libshared/train/policy/options.c \
	libshared/train/policy/policy.c libshared/train/policy/policy.h \
	libshared/train/policy/value_head.c libshared/train/policy/value_head.h
