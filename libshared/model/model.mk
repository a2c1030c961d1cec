noinst_HEADERS += libshared/model/config.h libshared/model/model.h libshared/model/plugin_host.h
