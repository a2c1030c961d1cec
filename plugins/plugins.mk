# one module an architecture family; in the build tree: LMUTILS_PLUGIN_PATH=plugins/.libs
pluginsdir = $(pkglibdir)/plugins
plugin_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^lm_plugin_entry_point$$'

plugins_LTLIBRARIES = plugins/bert.la
plugins_bert_la_SOURCES = plugins/bert.c
plugins_bert_la_LDFLAGS = $(plugin_ldflags)
plugins_bert_la_LIBADD = liblmutils.la
