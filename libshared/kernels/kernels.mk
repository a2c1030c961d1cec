liblmutils_la_SOURCES += \
	libshared/kernels/adafactor.c \
	libshared/kernels/attention.c \
	libshared/kernels/blas.c \
	libshared/kernels/blas.h \
	libshared/kernels/dispatch.c \
	libshared/kernels/distillation.c libshared/kernels/distillation.h \
	libshared/kernels/dropout.c \
	libshared/kernels/elementwise.c \
	libshared/kernels/embedding.c \
	libshared/kernels/gemm.c \
	libshared/kernels/gemm.h \
	libshared/kernels/kernels.h \
	libshared/kernels/loss.c \
	libshared/kernels/lstm.c \
	libshared/kernels/minhash.c \
	libshared/kernels/norm.c \
	libshared/kernels/optimiser.c \
	libshared/kernels/policy.c libshared/kernels/policy.h \
	libshared/kernels/preference.c libshared/kernels/preference.h \
	libshared/kernels/quantised.c \
	libshared/kernels/quantised.h \
	libshared/kernels/relation.c libshared/kernels/relation.h \
	libshared/kernels/rope.c \
	libshared/kernels/scalar.c \
	libshared/kernels/rounded.h \
	libshared/kernels/scalar_optimiser.h \
	libshared/kernels/scalar_quantised.h \
	libshared/kernels/states.c \
	libshared/kernels/tasks.h \
	libshared/kernels/variant.h

# The BLAS, in a file of its own where it can be loaded when it is needed.
if BLAS_APART
lib_LTLIBRARIES += liblmutils-blas.la
liblmutils_blas_la_SOURCES = libshared/kernels/blas_entry.c
liblmutils_blas_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -export-symbols-regex '^lm_blas_entry_point$$'
liblmutils_blas_la_LIBADD = $(BLAS_LIBS)
else
liblmutils_la_SOURCES += libshared/kernels/blas_entry.c
liblmutils_la_LIBADD += $(BLAS_LIBS)
endif

# The inner loops, once for each instruction set: one source, other flags.
simd_sources = \
	libshared/kernels/simd/attention.h \
	libshared/kernels/simd/attention_kept.h \
	libshared/kernels/simd/codes.h \
	libshared/kernels/simd/dropout.h \
	libshared/kernels/simd/elementwise.h \
	libshared/kernels/simd/few.h \
	libshared/kernels/simd/loss.h \
	libshared/kernels/simd/lstm.h \
	libshared/kernels/simd/minhash.h \
	libshared/kernels/simd/norm.h \
	libshared/kernels/simd/optimiser.h \
	libshared/kernels/simd/panels.h \
	libshared/kernels/simd/rope.h \
	libshared/kernels/simd/rounded.h \
	libshared/kernels/simd/rounded_groups.h \
	libshared/kernels/simd/rounded_panels.h \
	libshared/kernels/simd/rounded_rows.h \
	libshared/kernels/simd/variant.c \
	libshared/kernels/simd/weights.h \
	libshared/kernels/simd/row_products.h \
	libshared/kernels/simd/vector.h
# (vectors wider than the registers are passed to what is inlined alone)
simd_flags = $(AM_CFLAGS) -fno-trapping-math -Wno-psabi

noinst_LTLIBRARIES += libsimd_base.la
libsimd_base_la_SOURCES = $(simd_sources)
libsimd_base_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=base
libsimd_base_la_CFLAGS = $(simd_flags)
liblmutils_la_LIBADD += libsimd_base.la

if X86_64
noinst_LTLIBRARIES += libsimd_avx2.la libsimd_avx512.la libsimd_vnni.la
avx512 = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mf16c
libsimd_avx2_la_SOURCES = $(simd_sources)
libsimd_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=avx2
libsimd_avx2_la_CFLAGS = $(simd_flags) -mavx2 -mfma -mf16c
libsimd_avx512_la_SOURCES = $(simd_sources)
libsimd_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=avx512
libsimd_avx512_la_CFLAGS = $(simd_flags) $(avx512)
libsimd_vnni_la_SOURCES = $(simd_sources)
libsimd_vnni_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_ISA=vnni
libsimd_vnni_la_CFLAGS = $(simd_flags) $(avx512) -mavx512vnni
liblmutils_la_LIBADD += libsimd_avx2.la libsimd_avx512.la libsimd_vnni.la
endif

check_PROGRAMS += tests/unit/check_kernels
tests_unit_check_kernels_SOURCES = tests/unit/check_kernels.c tests/unit/check_kernels.h \
	tests/unit/check_attention.c tests/unit/check_updates.c
tests_unit_check_kernels_CPPFLAGS = $(unit_cppflags)
tests_unit_check_kernels_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_kernels

check_PROGRAMS += tests/unit/check_quantised
tests_unit_check_quantised_SOURCES = tests/unit/check_quantised.c tests/unit/check_kernels.h
tests_unit_check_quantised_CPPFLAGS = $(unit_cppflags)
tests_unit_check_quantised_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_quantised
