liblmutils_la_SOURCES += \
	libshared/tensor/dtype.c libshared/tensor/dtype.h \
	libshared/tensor/gguf.c libshared/tensor/gguf.h libshared/tensor/gguf_write.c libshared/tensor/gguf_write.h \
	libshared/tensor/imatrix.c libshared/tensor/imatrix_write.c libshared/tensor/imatrix.h \
	libshared/tensor/safetensors.c libshared/tensor/safetensors_write.c libshared/tensor/safetensors.h

check_PROGRAMS += tests/unit/check_tensor
tests_unit_check_tensor_SOURCES = tests/unit/check_tensor.c
tests_unit_check_tensor_CPPFLAGS = $(unit_cppflags)
tests_unit_check_tensor_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_tensor

check_PROGRAMS += tests/unit/check_gguf
tests_unit_check_gguf_SOURCES = tests/unit/check_gguf.c
tests_unit_check_gguf_CPPFLAGS = $(unit_cppflags)
tests_unit_check_gguf_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_gguf

check_PROGRAMS += tests/unit/check_imatrix
tests_unit_check_imatrix_SOURCES = tests/unit/check_imatrix.c
tests_unit_check_imatrix_CPPFLAGS = $(unit_cppflags)
tests_unit_check_imatrix_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_imatrix

check_PROGRAMS += tests/unit/check_gguf_write
tests_unit_check_gguf_write_SOURCES = tests/unit/check_gguf_write.c
tests_unit_check_gguf_write_CPPFLAGS = $(unit_cppflags)
tests_unit_check_gguf_write_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_gguf_write
