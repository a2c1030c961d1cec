liblmutils_la_SOURCES += \
	libshared/text/bert.c \
	libshared/text/byte_path.c \
	libshared/text/byte_path.h \
	libshared/text/encode.c \
	libshared/text/masking.c \
	libshared/text/masking.h \
	libshared/text/running_text.c libshared/text/running_text.h \
	libshared/text/scanners.c \
	libshared/text/space_path.c \
	libshared/text/token_bytes.c libshared/text/token_bytes.h \
	libshared/text/token_view.c \
	libshared/text/token_view.h \
	libshared/text/tokenizer.c \
	libshared/text/tokenizer.h \
	libshared/text/tokenizer_internal.h \
	libshared/text/vocabulary.c \
	libshared/text/vocabulary.h \
	libshared/text/word_cache.c \
	libshared/text/word_cache.h \
	libshared/text/word_starts.c \
	libshared/text/word_starts.h \
	libshared/text/words_ahead.c \
	libshared/text/words_ahead.h

check_PROGRAMS += tests/unit/check_text
tests_unit_check_text_SOURCES = tests/unit/check_text.c
tests_unit_check_text_CPPFLAGS = $(unit_cppflags)
tests_unit_check_text_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_text

check_PROGRAMS += tests/unit/check_bpe_match
tests_unit_check_bpe_match_SOURCES = tests/unit/check_bpe_match.c tests/unit/plain_bpe.h
tests_unit_check_bpe_match_CPPFLAGS = $(unit_cppflags)
tests_unit_check_bpe_match_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_bpe_match

check_PROGRAMS += tests/unit/check_word_cache
tests_unit_check_word_cache_SOURCES = tests/unit/check_word_cache.c
tests_unit_check_word_cache_CPPFLAGS = $(unit_cppflags)
tests_unit_check_word_cache_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_word_cache

check_PROGRAMS += tests/unit/check_tokenizers
tests_unit_check_tokenizers_SOURCES = tests/unit/check_tokenizers.c
tests_unit_check_tokenizers_CPPFLAGS = $(unit_cppflags)
tests_unit_check_tokenizers_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_tokenizers

check_PROGRAMS += tests/unit/check_components
tests_unit_check_components_SOURCES = tests/unit/check_components.c
tests_unit_check_components_CPPFLAGS = $(unit_cppflags)
tests_unit_check_components_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_components
EXTRA_DIST += tests/unit/components.json tests/differential/components.mjs tests/differential/reference.mjs \
	tests/differential/texts.mjs tests/differential/variants.mjs
