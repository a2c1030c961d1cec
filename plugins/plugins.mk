# one module an architecture family; in the build tree: LMUTILS_PLUGIN_PATH=plugins/.libs
pluginsdir = $(pkglibdir)/plugins
communicatorsdir = $(pkglibdir)/communicators
plugin_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^lm_plugin_entry_point$$'

plugins_LTLIBRARIES = \
	plugins/albert.la \
	plugins/bert.la \
	plugins/bow.la \
	plugins/distilbert.la \
	plugins/electra.la \
	plugins/gemma.la \
	plugins/gpt2.la \
	plugins/llama.la \
	plugins/lstm.la \
	plugins/mistral.la \
	plugins/qwen2.la \
	plugins/qwen3.la \
	plugins/roberta.la \
	plugins/t5.la
plugins_albert_la_SOURCES = plugins/albert.c
plugins_albert_la_LDFLAGS = $(plugin_ldflags)
plugins_albert_la_LIBADD = liblmutils.la
plugins_bert_la_SOURCES = plugins/bert.c
plugins_bert_la_LDFLAGS = $(plugin_ldflags)
plugins_bert_la_LIBADD = liblmutils.la
plugins_bow_la_SOURCES = plugins/bow.c
plugins_bow_la_LDFLAGS = $(plugin_ldflags)
plugins_bow_la_LIBADD = liblmutils.la -lm
plugins_distilbert_la_SOURCES = plugins/distilbert.c
plugins_distilbert_la_LDFLAGS = $(plugin_ldflags)
plugins_distilbert_la_LIBADD = liblmutils.la
plugins_electra_la_SOURCES = plugins/electra.c
plugins_electra_la_LDFLAGS = $(plugin_ldflags)
plugins_electra_la_LIBADD = liblmutils.la
plugins_gemma_la_SOURCES = plugins/gemma.c
plugins_gemma_la_LDFLAGS = $(plugin_ldflags)
plugins_gemma_la_LIBADD = liblmutils.la -lm
plugins_gpt2_la_SOURCES = plugins/gpt2.c
plugins_gpt2_la_LDFLAGS = $(plugin_ldflags)
plugins_gpt2_la_LIBADD = liblmutils.la -lm
plugins_llama_la_SOURCES = plugins/llama.c
plugins_llama_la_LDFLAGS = $(plugin_ldflags)
plugins_llama_la_LIBADD = liblmutils.la
plugins_mistral_la_SOURCES = plugins/mistral.c
plugins_mistral_la_LDFLAGS = $(plugin_ldflags)
plugins_mistral_la_LIBADD = liblmutils.la
plugins_qwen2_la_SOURCES = plugins/qwen2.c
plugins_qwen2_la_LDFLAGS = $(plugin_ldflags)
plugins_qwen2_la_LIBADD = liblmutils.la
plugins_qwen3_la_SOURCES = plugins/qwen3.c
plugins_qwen3_la_LDFLAGS = $(plugin_ldflags)
plugins_qwen3_la_LIBADD = liblmutils.la
plugins_lstm_la_SOURCES = plugins/lstm.c
plugins_lstm_la_LDFLAGS = $(plugin_ldflags)
plugins_lstm_la_LIBADD = liblmutils.la -lm
plugins_roberta_la_SOURCES = plugins/roberta.c
plugins_roberta_la_LDFLAGS = $(plugin_ldflags)
plugins_roberta_la_LIBADD = liblmutils.la
plugins_t5_la_SOURCES = plugins/t5.c
plugins_t5_la_LDFLAGS = $(plugin_ldflags)
plugins_t5_la_LIBADD = liblmutils.la -lm

# what joins processes to one run: includes lmutils/communicator.h alone
communicators_LTLIBRARIES =
EXTRA_DIST += plugins/communicators/mpi.c
if HAVE_MPI
communicators_LTLIBRARIES += plugins/communicators/mpi.la
plugins_communicators_mpi_la_SOURCES = plugins/communicators/mpi.c
plugins_communicators_mpi_la_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CFLAGS)
plugins_communicators_mpi_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-export-symbols-regex '^lm_communicator_entry_point$$'
plugins_communicators_mpi_la_LIBADD = $(MPI_LIBS)
endif
