liblmutils_la_SOURCES += \
	libshared/model/config.c libshared/model/config.h \
	libshared/model/plugin_host.c libshared/model/plugin_host.h \
	libshared/model/python_json.c libshared/model/python_json.h
noinst_HEADERS += libshared/model/card.h libshared/model/model.h
