liblmutils_la_SOURCES += \
	libshared/model/gguf/gguf_model.h
