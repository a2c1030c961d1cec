noinst_HEADERS += libshared/graph/graph.h libshared/graph/params.h
