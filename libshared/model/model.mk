liblmutils_la_SOURCES += \
	libshared/model/adapter/adapter.h libshared/model/adapter/adapter_internal.h \
	libshared/model/adapter/adapter_config.c libshared/model/adapter/adapter_gguf.c \
	libshared/model/adapter/attach.c \
	libshared/model/adapter/delta.c \
	libshared/model/adapter/extract.c \
	libshared/model/adapter/merge.c libshared/model/adapter/merge.h \
	libshared/model/adapter/modules.c \
	libshared/model/adapter/open.c \
	libshared/model/adapter/start.c \
	libshared/model/adapter/svd.c libshared/model/adapter/svd.h \
	libshared/model/adapter/write.c \
	libshared/model/archs.c libshared/model/archs.h \
	libshared/model/card.c libshared/model/card.h \
	libshared/model/config.c libshared/model/config.h \
	libshared/model/bertlike.c \
	libshared/model/bitsandbytes.c libshared/model/bitsandbytes.h \
	libshared/model/checkpoint.c \
	libshared/model/decode.c libshared/model/decode.h \
	libshared/model/forward.c \
	libshared/model/llamalike.c \
	libshared/model/model.c libshared/model/model.h \
	libshared/model/rope.c \
	libshared/model/plugin_host.c libshared/model/plugin_host.h \
	libshared/model/plugin_search.c \
	libshared/model/repack.c libshared/model/repack.h \
	libshared/model/save.c \
	libshared/model/tokenizer_check.c \
	libshared/model/tokenizer_files.c \
	libshared/model/weights.c libshared/model/weights.h

include tests/badplug/badplug.mk
include tests/testplug/testplug.mk
model_test_cppflags = $(unit_cppflags) -DPLUGIN_DIR='"$(abs_top_builddir)/plugins/.libs"' \
	-DBADPLUG_DIR='"$(abs_top_builddir)/tests/badplug/.libs"'
check_PROGRAMS += tests/unit/check_config
tests_unit_check_config_SOURCES = tests/unit/check_config.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_config_CPPFLAGS = $(unit_cppflags)
tests_unit_check_config_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_config
check_PROGRAMS += tests/unit/check_model
tests_unit_check_model_SOURCES = tests/unit/check_model.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_model_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_model_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_model
check_PROGRAMS += tests/unit/check_loading
tests_unit_check_loading_SOURCES = tests/unit/check_loading.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_loading_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_loading_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_loading
check_PROGRAMS += tests/unit/check_plugins
tests_unit_check_plugins_SOURCES = tests/unit/check_plugins.c tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_plugins_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_plugins_LDADD = $(unit_ldadd)
TESTS += tests/unit/check_plugins
check_PROGRAMS += tests/unit/check_goldens
tests_unit_check_goldens_SOURCES = tests/unit/check_goldens.c tests/unit/golden.c tests/unit/golden.h tests/unit/npz.c tests/unit/npz.h
tests_unit_check_goldens_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_goldens_LDADD = $(unit_ldadd) $(LIBARCHIVE_LIBS) -lm
TESTS += tests/unit/check_goldens
own_goldens = albert-cls2 albert-mlm albert-tok4 electra-cls3 electra-mlm
EXTRA_DIST += $(own_goldens:%=tests/unit/goldens/%/config.json) $(own_goldens:%=tests/unit/goldens/%/golden.json) \
	$(own_goldens:%=tests/unit/goldens/%/golden.npz) $(own_goldens:%=tests/unit/goldens/%/model.safetensors)
check_PROGRAMS += tests/unit/check_quantised_models
tests_unit_check_quantised_models_SOURCES = tests/unit/check_quantised_models.c tests/unit/golden.c tests/unit/golden.h tests/unit/npz.c \
	tests/unit/npz.h tests/unit/scratch.c tests/unit/scratch.h tests/unit/stored_models.c tests/unit/stored_models.h
tests_unit_check_quantised_models_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_quantised_models_LDADD = $(unit_ldadd) $(LIBARCHIVE_LIBS) -lm
TESTS += tests/unit/check_quantised_models
check_PROGRAMS += tests/unit/check_bertlike
tests_unit_check_bertlike_SOURCES = tests/unit/check_bertlike.c
tests_unit_check_bertlike_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_bertlike_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_bertlike
check_PROGRAMS += tests/unit/check_decoding
tests_unit_check_decoding_SOURCES = tests/unit/check_decoding.c
tests_unit_check_decoding_CPPFLAGS = $(model_test_cppflags) -DTESTPLUG_DIR='"$(abs_top_builddir)/tests/testplug/.libs"'
tests_unit_check_decoding_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_decoding
check_PROGRAMS += tests/unit/check_decoders
tests_unit_check_decoders_SOURCES = tests/unit/check_decoders.c
tests_unit_check_decoders_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_decoders_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_decoders
check_PROGRAMS += tests/unit/check_adapters
adapted_sources = tests/unit/adapted.c tests/unit/adapted.h tests/unit/scratch.c tests/unit/scratch.h
tests_unit_check_adapters_SOURCES = tests/unit/check_adapters.c $(adapted_sources)
tests_unit_check_adapters_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_adapters_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_adapters
check_PROGRAMS += tests/unit/check_adapter_merging
tests_unit_check_adapter_merging_SOURCES = tests/unit/check_adapter_merging.c $(adapted_sources)
tests_unit_check_adapter_merging_CPPFLAGS = $(model_test_cppflags)
tests_unit_check_adapter_merging_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_adapter_merging
