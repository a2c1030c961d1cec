liblmutils_la_SOURCES += \
	libshared/kernels/attention.c \
	libshared/kernels/blas.h \
	libshared/kernels/dispatch.c \
	libshared/kernels/dropout.c \
	libshared/kernels/elementwise.c \
	libshared/kernels/embedding.c \
	libshared/kernels/gemm.c \
	libshared/kernels/kernels.h \
	libshared/kernels/loss.c \
	libshared/kernels/norm.c \
	libshared/kernels/optimiser.c \
	libshared/kernels/scalar.c \
	libshared/kernels/tasks.h \
	libshared/kernels/variant.h
