noinst_HEADERS += libshared/stream/input.h libshared/stream/lms.h
