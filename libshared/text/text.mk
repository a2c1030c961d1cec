liblmutils_la_SOURCES += \
	libshared/text/added_tokens.c libshared/text/added_tokens.h \
	libshared/text/agreement.c libshared/text/agreement.h \
	libshared/text/bert.c \
	libshared/text/byte_level.c libshared/text/byte_level.h \
	libshared/text/byte_path.c libshared/text/byte_path.h \
	libshared/text/chars.c libshared/text/chars.h \
	libshared/text/components.h \
	libshared/text/decoders.c \
	libshared/text/detokenize.c \
	libshared/text/encode.c \
	libshared/text/normalizers.c \
	libshared/text/pattern.c libshared/text/pattern.h \
	libshared/text/post_processors.c \
	libshared/text/pre_tokenizers.c \
	libshared/text/precompiled.c libshared/text/precompiled.h \
	libshared/text/regex.c libshared/text/regex.h libshared/text/regex_class.c libshared/text/regex_internal.h \
	libshared/text/regex_syntax.c \
	libshared/text/scanners.c \
	libshared/text/source.c libshared/text/source.h \
	libshared/text/spec.c \
	libshared/text/split.c libshared/text/split.h \
	libshared/text/template.c \
	libshared/text/token_view.c libshared/text/token_view.h \
	libshared/text/tokenize.c libshared/text/tokenize.h \
	libshared/text/tokenize_labels.c libshared/text/tokenize_lines.c libshared/text/tokenize_pack.c \
	libshared/text/tokenize_sinks.c libshared/text/tokenize_sinks.h libshared/text/tokenize_stats.c \
	libshared/text/tokenizer.c libshared/text/tokenizer.h \
	libshared/text/tokenizer_internal.h \
	libshared/text/trim.c \
	libshared/text/unicode.c libshared/text/unicode.h \
	libshared/text/unicode_classes.c \
	libshared/text/unicode_data.c libshared/text/unicode_data.h \
	libshared/text/unicode_scripts.c \
	libshared/text/vocabulary.c libshared/text/vocabulary.h \
	libshared/text/word_cache.c libshared/text/word_cache.h

check_PROGRAMS += tests/unit/check_text
tests_unit_check_text_SOURCES = tests/unit/check_text.c
tests_unit_check_text_CPPFLAGS = $(unit_cppflags)
tests_unit_check_text_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_text

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
