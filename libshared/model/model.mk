liblmutils_la_SOURCES += \
	libshared/model/card.c libshared/model/card.h \
	libshared/model/config.c libshared/model/config.h \
	libshared/model/forward.c \
	libshared/model/model.c libshared/model/model.h \
	libshared/model/plugin_host.c libshared/model/plugin_host.h \
	libshared/model/python_json.c libshared/model/python_json.h \
	libshared/model/save.c \
	libshared/model/tokenizer_files.c \
	libshared/model/weights.c libshared/model/weights.h
