liblmutils_la_SOURCES += \
	libshared/text/components/added_tokens.c \
	libshared/text/components/added_tokens.h \
	libshared/text/components/byte_level.c \
	libshared/text/components/byte_level.h \
	libshared/text/components/components.h \
	libshared/text/components/decoders.c \
	libshared/text/components/normalizers.c \
	libshared/text/components/post_processors.c \
	libshared/text/components/pre_tokenizers.c \
	libshared/text/components/precompiled.c \
	libshared/text/components/precompiled.h \
	libshared/text/components/spec.c \
	libshared/text/components/split.c \
	libshared/text/components/split.h \
	libshared/text/components/template.c \
	libshared/text/components/trim.c
