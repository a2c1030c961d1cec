liblmutils_la_SOURCES += \
	libshared/text/chat/calls.c \
	libshared/text/chat/chat.c libshared/text/chat/chat.h libshared/text/chat/chat_internal.h \
	libshared/text/chat/evaluate.c \
	libshared/text/chat/execute.c \
	libshared/text/chat/expressions.c \
	libshared/text/chat/filters_lists.c \
	libshared/text/chat/filters_text.c \
	libshared/text/chat/filters_values.c \
	libshared/text/chat/jinja.h \
	libshared/text/chat/jinja_internal.h \
	libshared/text/chat/lexer.c \
	libshared/text/chat/loss_mask.c \
	libshared/text/chat/messages.c \
	libshared/text/chat/named_templates.c \
	libshared/text/chat/parser.c \
	libshared/text/chat/string_methods.c \
	libshared/text/chat/text_case.c libshared/text/chat/text_case.h \
	libshared/text/chat/value.c libshared/text/chat/value.h \
	libshared/text/chat/value_json.c

check_PROGRAMS += tests/unit/check_jinja
tests_unit_check_jinja_SOURCES = tests/unit/check_jinja.c tests/unit/check_jinja.inc
tests_unit_check_jinja_CPPFLAGS = $(unit_cppflags)
tests_unit_check_jinja_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_jinja
