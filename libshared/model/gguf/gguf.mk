liblmutils_la_SOURCES += \
	libshared/model/gguf/gguf_config.c \
	libshared/model/gguf/gguf_describe.c \
	libshared/model/gguf/gguf_families.c libshared/model/gguf/gguf_families.h \
	libshared/model/gguf/gguf_members.c \
	libshared/model/gguf/gguf_model.h \
	libshared/model/gguf/gguf_names.c \
	libshared/model/gguf/gguf_values.c
