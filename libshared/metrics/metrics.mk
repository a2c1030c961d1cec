noinst_HEADERS += libshared/metrics/evaluate.h libshared/metrics/metrics.h libshared/metrics/report.h
