liblmutils_la_SOURCES += \
	libshared/stream/blocks.c libshared/stream/blocks.h libshared/stream/blocks_internal.h \
	libshared/stream/blocks_forms.c libshared/stream/blocks_parse.c libshared/stream/blocks_write.c \
	libshared/stream/bundle.c libshared/stream/bundle.h libshared/stream/bundle_internal.h \
	libshared/stream/bundle_archive.c libshared/stream/bundle_store.c libshared/stream/bundle_stream.c \
	libshared/stream/bundle_gguf.c libshared/stream/bundle_path.c libshared/stream/bundle_pieces.c \
	libshared/stream/bundle_write.c \
	libshared/stream/bundle_writer.h \
	libshared/stream/cells.h libshared/stream/check.c \
	libshared/stream/transcode.c libshared/stream/transcode.h \
	libshared/stream/field_lists.c libshared/stream/field_lists.h \
	libshared/stream/filters.c libshared/stream/filters.h libshared/stream/filters_internal.h \
	libshared/stream/header_view.c libshared/stream/header_view.h \
	libshared/stream/input.c libshared/stream/input.h \
	libshared/stream/json.c libshared/stream/json.h libshared/stream/json_tree.c libshared/stream/json_tree.h \
	libshared/stream/labels.c libshared/stream/labels.h \
	libshared/stream/lines.c libshared/stream/lines.h \
	libshared/stream/lms.h libshared/stream/lms_reader.c libshared/stream/lms_writer.c \
	libshared/stream/record.c libshared/stream/record.h libshared/stream/record_copy.c \
	libshared/stream/records.c libshared/stream/records.h libshared/stream/records_conll.c \
	libshared/stream/records_guess.c libshared/stream/records_json.c libshared/stream/records_lists.c \
	libshared/stream/records_squad.c \
	libshared/stream/records_table.c libshared/stream/records_tar.c libshared/stream/records_write.c \
	libshared/stream/packer.c libshared/stream/row_strings.c libshared/stream/rows.c libshared/stream/rows.h libshared/stream/rows_internal.h \
	libshared/stream/shuffle.c libshared/stream/split.c libshared/stream/view.c \
	libshared/stream/scratch.c libshared/stream/scratch.h \
	libshared/stream/sorted.c libshared/stream/sorted.h \
	libshared/stream/selectors.c libshared/stream/spool.c libshared/stream/spool.h \
	libshared/stream/tokens.c libshared/stream/tokens.h libshared/stream/tokens_writer.c

check_PROGRAMS += tests/unit/check_stream
tests_unit_check_stream_SOURCES = tests/unit/check_stream.c
tests_unit_check_stream_CPPFLAGS = $(unit_cppflags)
tests_unit_check_stream_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_stream

check_PROGRAMS += tests/unit/check_header
tests_unit_check_header_SOURCES = tests/unit/check_header.c tests/unit/compared_headers.c tests/unit/compared_headers.h
tests_unit_check_header_CPPFLAGS = $(unit_cppflags)
tests_unit_check_header_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_header

check_PROGRAMS += tests/unit/check_records
tests_unit_check_records_SOURCES = tests/unit/check_records.c
tests_unit_check_records_CPPFLAGS = $(unit_cppflags)
tests_unit_check_records_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_records

check_PROGRAMS += tests/unit/check_blocks
tests_unit_check_blocks_SOURCES = tests/unit/check_blocks.c tests/unit/compared_blocks.c tests/unit/compared_blocks.h
tests_unit_check_blocks_CPPFLAGS = $(unit_cppflags)
tests_unit_check_blocks_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_blocks

check_PROGRAMS += tests/unit/check_rows
tests_unit_check_rows_SOURCES = tests/unit/check_rows.c
tests_unit_check_rows_CPPFLAGS = $(unit_cppflags)
tests_unit_check_rows_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_rows

check_PROGRAMS += tests/unit/check_pieces
tests_unit_check_pieces_SOURCES = tests/unit/check_pieces.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_pieces_CPPFLAGS = $(unit_cppflags)
tests_unit_check_pieces_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_pieces

check_PROGRAMS += tests/unit/check_forward
tests_unit_check_forward_SOURCES = tests/unit/check_forward.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_forward_CPPFLAGS = $(unit_cppflags)
tests_unit_check_forward_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_forward
