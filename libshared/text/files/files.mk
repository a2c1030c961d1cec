liblmutils_la_SOURCES += \
	libshared/text/files/components.c \
	libshared/text/files/conversions.c \
	libshared/text/files/files.c libshared/text/files/files.h \
	libshared/text/files/gguf_pre.c \
	libshared/text/files/gguf_vocabulary.c \
	libshared/text/files/json.c \
	libshared/text/files/merges.c \
	libshared/text/files/save.c \
	libshared/text/files/sentencepiece.c \
	libshared/text/files/sentencepiece_write.c \
	libshared/text/files/special_tokens.c \
	libshared/text/files/vocab_json.c \
	libshared/text/files/vocab_txt.c
