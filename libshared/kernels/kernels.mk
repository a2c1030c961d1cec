noinst_HEADERS += libshared/kernels/kernels.h
