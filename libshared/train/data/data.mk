liblmutils_la_SOURCES += \
	libshared/train/data/data.c libshared/train/data/data.h \
	libshared/train/data/instances.c libshared/train/data/instances.h \
	libshared/train/data/joined_row.c libshared/train/data/joined_row.h \
	libshared/train/data/mixture.c libshared/train/data/mixture.h \
	libshared/train/data/order.c libshared/train/data/order.h \
	libshared/train/data/packed_rows.c libshared/train/data/packed_rows.h \
	libshared/train/data/paired.c libshared/train/data/paired.h \
	libshared/train/data/sentence_pairs.c libshared/train/data/sentence_pairs.h \
	libshared/train/data/source.c libshared/train/data/source.h \
	libshared/train/data/subset.c libshared/train/data/subset.h \
	libshared/train/data/window.c libshared/train/data/window.h
