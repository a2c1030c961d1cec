liblmutils_la_SOURCES += \
	libshared/tensor/blocks.h \
	libshared/tensor/blocks/blocks.c \
	libshared/tensor/blocks/loops.h \
	libshared/tensor/quantised.h

# What has to be the bytes of a reference: no product is fused with a sum, whatever the processor can and CFLAGS say.
exact_flags = $(AM_CFLAGS) -ffp-contract=off -fno-trapping-math

noinst_LTLIBRARIES += libexact.la
libexact_la_SOURCES = \
	libshared/tensor/blocks/bnb.c \
	libshared/tensor/quantised.c
libexact_la_CPPFLAGS = $(AM_CPPFLAGS)
libexact_la_CFLAGS = $(exact_flags)
liblmutils_la_LIBADD += libexact.la

# The loops, once for each instruction set: one source, other flags.
block_sources = \
	libshared/tensor/blocks/expand.h \
	libshared/tensor/blocks/fit.h \
	libshared/tensor/blocks/lanes.h \
	libshared/tensor/blocks/layout.h \
	libshared/tensor/blocks/loops.c \
	libshared/tensor/blocks/plain.h \
	libshared/tensor/blocks/simple.h \
	libshared/tensor/blocks/super.h

noinst_LTLIBRARIES += libblocks_base.la
libblocks_base_la_SOURCES = $(block_sources)
libblocks_base_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=base
libblocks_base_la_CFLAGS = $(exact_flags)
liblmutils_la_LIBADD += libblocks_base.la

if X86_64
noinst_LTLIBRARIES += libblocks_avx2.la libblocks_avx512.la
libblocks_avx2_la_SOURCES = $(block_sources)
libblocks_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=avx2
libblocks_avx2_la_CFLAGS = $(exact_flags) -mavx2 -mf16c
libblocks_avx512_la_SOURCES = $(block_sources)
libblocks_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=avx512
libblocks_avx512_la_CFLAGS = $(exact_flags) -mavx512f -mavx512bw -mavx512dq -mavx512vl
liblmutils_la_LIBADD += libblocks_avx2.la libblocks_avx512.la
endif

check_PROGRAMS += tests/unit/check_quantise
tests_unit_check_quantise_SOURCES = tests/unit/check_quantise.c tests/unit/npz.c tests/unit/npz.h
tests_unit_check_quantise_CPPFLAGS = $(unit_cppflags)
tests_unit_check_quantise_LDADD = $(unit_ldadd) $(LIBARCHIVE_LIBS) -lm
TESTS += tests/unit/check_quantise
