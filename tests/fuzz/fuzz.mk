# Fuzzers. A target is tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput, and tests/fuzz/seeds-NAME.sh DIR, which makes its
# seeds. `make check` replays the seeds and some mutations of each without libFuzzer; in a tree configured with
# CC=clang --enable-fuzzers, `make fuzz` runs each for FUZZ_SECONDS under ASan and UBSan, and `make fuzz-coverage` says
# which lines of the parsers the corpus reaches.
fuzz_names = stream tokenizer sentencepiece gguf gguf_model imatrix safetensors config chat bundle words rules constraint tables
FUZZ_SECONDS = 600
FUZZ_FLAGS = -timeout=20 -rss_limit_mb=3000 -max_len=4096 -print_final_stats=1
FUZZ_REPLAY_MUTATIONS = 100
EXTRA_DIST += $(fuzz_names:%=tests/fuzz/seeds-%.sh) tests/fuzz/numbers.inc tests/fuzz/replay.sh tests/fuzz/coverage.sh
# the sources whose coverage counts
fuzz_stream_parsers = blocks.c blocks_parse.c blocks_write.c check.c header_view.c json.c lms_reader.c record.c records.c records_guess.c records_json.c records_table.c \
	rows.c selectors.c tokens.c

check_PROGRAMS += tests/fuzz/replay_stream
tests_fuzz_replay_stream_SOURCES = tests/fuzz/fuzz_stream.c tests/fuzz/replay.c \
	tests/unit/compared_blocks.c tests/unit/compared_blocks.h \
	tests/unit/compared_headers.c tests/unit/compared_headers.h
tests_fuzz_replay_stream_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fuzz_replay_stream_LDADD = liblmutils.la $(JANSSON_LIBS) $(XXHASH_LIBS)

check_PROGRAMS += tests/fuzz/replay_tokenizer
tests_fuzz_replay_tokenizer_SOURCES = tests/fuzz/fuzz_tokenizer.c tests/fuzz/replay.c tests/fuzz/use_tokenizer.h
tests_fuzz_replay_tokenizer_LDADD = liblmutils.la $(JANSSON_LIBS)

check_PROGRAMS += tests/fuzz/replay_sentencepiece tests/fuzz/replay_gguf
tests_fuzz_replay_sentencepiece_SOURCES = tests/fuzz/fuzz_sentencepiece.c tests/fuzz/replay.c
tests_fuzz_replay_sentencepiece_LDADD = liblmutils.la $(JANSSON_LIBS)
tests_fuzz_replay_gguf_SOURCES = tests/fuzz/fuzz_gguf.c tests/fuzz/replay.c
tests_fuzz_replay_gguf_LDADD = liblmutils.la $(JANSSON_LIBS)

check_PROGRAMS += tests/fuzz/replay_gguf_model
tests_fuzz_replay_gguf_model_SOURCES = tests/fuzz/fuzz_gguf_model.c tests/fuzz/replay.c
tests_fuzz_replay_gguf_model_LDADD = liblmutils.la

check_PROGRAMS += tests/fuzz/replay_imatrix
tests_fuzz_replay_imatrix_SOURCES = tests/fuzz/fuzz_imatrix.c tests/fuzz/replay.c
tests_fuzz_replay_imatrix_LDADD = liblmutils.la -lm

check_PROGRAMS += tests/fuzz/replay_chat
tests_fuzz_replay_chat_SOURCES = tests/fuzz/fuzz_chat.c tests/fuzz/replay.c
tests_fuzz_replay_chat_LDADD = liblmutils.la $(JANSSON_LIBS)

check_PROGRAMS += tests/fuzz/replay_bundle
tests_fuzz_replay_bundle_SOURCES = tests/fuzz/fuzz_bundle.c tests/fuzz/replay.c
tests_fuzz_replay_bundle_LDADD = liblmutils.la $(JANSSON_LIBS) $(XXHASH_LIBS)

check_PROGRAMS += tests/fuzz/replay_words
tests_fuzz_replay_words_SOURCES = tests/fuzz/fuzz_words.c tests/fuzz/replay.c
tests_fuzz_replay_words_LDADD = liblmutils.la

check_PROGRAMS += tests/fuzz/replay_rules
tests_fuzz_replay_rules_SOURCES = tests/fuzz/fuzz_rules.c tests/fuzz/replay.c
tests_fuzz_replay_rules_LDADD = liblmutils.la

check_PROGRAMS += tests/fuzz/replay_constraint
tests_fuzz_replay_constraint_SOURCES = tests/fuzz/fuzz_constraint.c tests/fuzz/replay.c
tests_fuzz_replay_constraint_LDADD = liblmutils.la $(PCRE2_LIBS)

check_PROGRAMS += tests/fuzz/replay_tables
tests_fuzz_replay_tables_SOURCES = tests/fuzz/fuzz_tables.c tests/fuzz/replay.c tests/unit/kept_files.h tests/unit/used_tables.h
tests_fuzz_replay_tables_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fuzz_replay_tables_LDADD = liblmutils.la $(JANSSON_LIBS) $(XXHASH_LIBS)

TESTS += tests/fuzz/replay.sh
AM_TESTS_ENVIRONMENT += fuzz_names='$(fuzz_names)'; export fuzz_names; \
	fuzz_mutations='$(FUZZ_REPLAY_MUTATIONS)'; export fuzz_mutations;

check_PROGRAMS += tests/fuzz/replay_safetensors tests/fuzz/replay_config
tests_fuzz_replay_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c tests/fuzz/replay.c
tests_fuzz_replay_safetensors_LDADD = liblmutils.la
tests_fuzz_replay_config_SOURCES = tests/fuzz/fuzz_config.c tests/fuzz/replay.c
tests_fuzz_replay_config_LDADD = liblmutils.la

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_imatrix
tests_fuzz_fuzz_imatrix_SOURCES = tests/fuzz/fuzz_imatrix.c
tests_fuzz_fuzz_imatrix_LDADD = liblmutils.la -lm
tests_fuzz_fuzz_imatrix_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += tests/fuzz/fuzz_safetensors tests/fuzz/fuzz_config
tests_fuzz_fuzz_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c
tests_fuzz_fuzz_safetensors_LDADD = liblmutils.la
tests_fuzz_fuzz_safetensors_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c
tests_fuzz_fuzz_config_LDADD = liblmutils.la
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += tests/fuzz/fuzz_stream
tests_fuzz_fuzz_stream_SOURCES = tests/fuzz/fuzz_stream.c tests/unit/compared_blocks.c tests/unit/compared_blocks.h \
	tests/unit/compared_headers.c tests/unit/compared_headers.h
tests_fuzz_fuzz_stream_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fuzz_fuzz_stream_LDADD = liblmutils.la $(JANSSON_LIBS) $(XXHASH_LIBS)
tests_fuzz_fuzz_stream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_tokenizer
tests_fuzz_fuzz_tokenizer_SOURCES = tests/fuzz/fuzz_tokenizer.c
tests_fuzz_fuzz_tokenizer_LDADD = liblmutils.la $(JANSSON_LIBS)
tests_fuzz_fuzz_tokenizer_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_sentencepiece tests/fuzz/fuzz_gguf
tests_fuzz_fuzz_sentencepiece_SOURCES = tests/fuzz/fuzz_sentencepiece.c
tests_fuzz_fuzz_sentencepiece_LDADD = liblmutils.la $(JANSSON_LIBS)
tests_fuzz_fuzz_sentencepiece_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_gguf_SOURCES = tests/fuzz/fuzz_gguf.c
tests_fuzz_fuzz_gguf_LDADD = liblmutils.la $(JANSSON_LIBS)
tests_fuzz_fuzz_gguf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_chat
tests_fuzz_fuzz_chat_SOURCES = tests/fuzz/fuzz_chat.c
tests_fuzz_fuzz_chat_LDADD = liblmutils.la $(JANSSON_LIBS)
tests_fuzz_fuzz_chat_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_rules
tests_fuzz_fuzz_rules_SOURCES = tests/fuzz/fuzz_rules.c
tests_fuzz_fuzz_rules_LDADD = liblmutils.la
tests_fuzz_fuzz_rules_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_bundle
tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz_bundle.c
tests_fuzz_fuzz_bundle_LDADD = liblmutils.la $(JANSSON_LIBS) $(XXHASH_LIBS)
tests_fuzz_fuzz_bundle_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_gguf_model
tests_fuzz_fuzz_gguf_model_SOURCES = tests/fuzz/fuzz_gguf_model.c
tests_fuzz_fuzz_gguf_model_LDADD = liblmutils.la
tests_fuzz_fuzz_gguf_model_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_tables
tests_fuzz_fuzz_tables_SOURCES = tests/fuzz/fuzz_tables.c tests/unit/kept_files.h tests/unit/used_tables.h
tests_fuzz_fuzz_tables_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fuzz_fuzz_tables_LDADD = liblmutils.la $(JANSSON_LIBS) $(XXHASH_LIBS)
tests_fuzz_fuzz_tables_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_words
tests_fuzz_fuzz_words_SOURCES = tests/fuzz/fuzz_words.c
tests_fuzz_fuzz_words_LDADD = liblmutils.la
tests_fuzz_fuzz_words_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz: all
	for name in $(fuzz_names); do \
	    bash $(srcdir)/tests/fuzz/seeds-$$name.sh fuzz-corpus/$$name-seeds && mkdir -p fuzz-corpus/$$name || exit 1; \
	    tests/fuzz/fuzz_$$name $(FUZZ_FLAGS) -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=fuzz-corpus/$$name- \
	        fuzz-corpus/$$name fuzz-corpus/$$name-seeds || exit 1; \
	done

fuzz-coverage:
	for name in $(fuzz_names); do \
	    bash $(srcdir)/tests/fuzz/seeds-$$name.sh fuzz-corpus/$$name-seeds || exit 1; \
	done
	CC='$(CC)' FLAGS='-D_GNU_SOURCE -I. -I$(srcdir)/libshared $(AM_CFLAGS)' LIBS='$(LIBARCHIVE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS)' \
	    bash $(srcdir)/tests/fuzz/coverage.sh $(srcdir) stream "$(fuzz_stream_parsers)"
	CC='$(CC)' FLAGS='-D_GNU_SOURCE -I. -I$(srcdir)/libshared $(AM_CFLAGS)' FLOOR=tensor \
	    LIBS='$(LIBARCHIVE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS)' \
	    bash $(srcdir)/tests/fuzz/coverage.sh $(srcdir) safetensors safetensors.c
	CC='$(CC)' FLAGS='-D_GNU_SOURCE -I. -I$(srcdir)/libshared $(AM_CFLAGS)' FLOOR=model \
	    LIBS='$(LIBARCHIVE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS)' \
	    MORE='$(srcdir)/libshared/model/config.c $(srcdir)/libshared/stream/json_tree.c $(srcdir)/libshared/stream/json.c' \
	    bash $(srcdir)/tests/fuzz/coverage.sh $(srcdir) config "config.c json_tree.c"
	for name in sentencepiece:sentencepiece.c,conversions.c,merges.c gguf:gguf_vocabulary.c tokenizer:vocab_json.c; do \
	    CC='$(CC)' FLAGS='-D_GNU_SOURCE -I. -I$(srcdir)/libshared $(AM_CFLAGS)' FLOOR=text/files \
	        LIBS='$(LIBARCHIVE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS)' \
	        MORE="$$(echo $(srcdir)/libshared/text/*.c $(srcdir)/libshared/text/*/*.c)" \
	        bash $(srcdir)/tests/fuzz/coverage.sh $(srcdir) $${name%%:*} "$$(echo $${name#*:} | tr , ' ')" || exit 1; \
	done
	CC='$(CC)' FLAGS='-D_GNU_SOURCE -I. -I$(srcdir)/libshared $(AM_CFLAGS)' FLOOR=tensor \
	    LIBS='$(LIBARCHIVE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS)' \
	    MORE="$$(echo $(srcdir)/libshared/text/*.c $(srcdir)/libshared/text/*/*.c)" \
	    bash $(srcdir)/tests/fuzz/coverage.sh $(srcdir) gguf gguf.c
endif
