liblmutils_la_SOURCES += \
	libshared/text/files/components.c \
	libshared/text/files/conversions.c \
	libshared/text/files/files.c libshared/text/files/files.h \
	libshared/text/files/gguf_pre.c \
	libshared/text/files/gguf_vocabulary.c libshared/text/files/gguf_vocabulary_write.c \
	libshared/text/files/merges.c \
	libshared/text/files/save.c \
	libshared/text/files/sentencepiece.c \
	libshared/text/files/sentencepiece_write.c \
	libshared/text/files/special_tokens.c \
	libshared/text/files/table_cache.c libshared/text/files/table_cache.h \
	libshared/text/files/vocab_json.c \
	libshared/text/files/vocab_txt.c

check_PROGRAMS += tests/unit/check_tokenizer_files
tests_unit_check_tokenizer_files_SOURCES = tests/unit/check_tokenizer_files.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_tokenizer_files_CPPFLAGS = $(unit_cppflags)
tests_unit_check_tokenizer_files_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_tokenizer_files

check_PROGRAMS += tests/unit/check_table_cache
tests_unit_check_table_cache_SOURCES = tests/unit/check_table_cache.c tests/unit/kept_files.h tests/unit/used_tables.h
tests_unit_check_table_cache_CPPFLAGS = $(unit_cppflags)
tests_unit_check_table_cache_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_table_cache

check_PROGRAMS += tests/unit/check_gguf_vocabulary
tests_unit_check_gguf_vocabulary_SOURCES = tests/unit/check_gguf_vocabulary.c
tests_unit_check_gguf_vocabulary_CPPFLAGS = $(unit_cppflags)
tests_unit_check_gguf_vocabulary_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_gguf_vocabulary
