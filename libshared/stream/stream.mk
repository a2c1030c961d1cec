noinst_HEADERS += libshared/stream/input.h libshared/stream/lms.h libshared/stream/records.h libshared/stream/rows.h \
	libshared/stream/tokens.h libshared/stream/spool.h
