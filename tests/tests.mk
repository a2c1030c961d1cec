# Tests in shell. `make check` runs them beside the unit tests; what they share is in pipelines/init.sh.
# Time limits are against hanging, not a measure: a slow or busy machine gets ten times what the unit tests say. Threads
# that wait by spinning would slow down the tests beside them.
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = bash
AM_TESTS_ENVIRONMENT = abs_top_srcdir='$(abs_top_srcdir)'; export abs_top_srcdir; \
	abs_top_builddir='$(abs_top_builddir)'; export abs_top_builddir; \
	lm_programs='$(lm_programs)'; export lm_programs; \
	CK_TIMEOUT_MULTIPLIER=$${CK_TIMEOUT_MULTIPLIER:-10}; export CK_TIMEOUT_MULTIPLIER; \
	LMUTILS_CACHE=; export LMUTILS_CACHE; \
	OMP_WAIT_POLICY=passive; export OMP_WAIT_POLICY;
# one a line, in order of the alphabet (tests/house.sh sees that none is forgotten)
shell_tests = \
	tests/house.sh \
	tests/pipelines/align-rewards.sh \
	tests/pipelines/align.sh \
	tests/pipelines/augment-apertium.sh \
	tests/pipelines/augment-clean.sh \
	tests/pipelines/augment-contextual.sh \
	tests/pipelines/augment-dedup.sh \
	tests/pipelines/augment-faults.sh \
	tests/pipelines/augment-forms.sh \
	tests/pipelines/augment-overlap.sh \
	tests/pipelines/augment-quality.sh \
	tests/pipelines/augment-run.sh \
	tests/pipelines/augment-translate.sh \
	tests/pipelines/augment-typos.sh \
	tests/pipelines/augment-words.sh \
	tests/pipelines/distill.sh \
	tests/pipelines/distill-goldens.sh \
	tests/pipelines/distill-layers.sh \
	tests/pipelines/examples.sh \
	tests/pipelines/fault-models.sh \
	tests/pipelines/fault-streams.sh \
	tests/pipelines/fault-text.sh \
	tests/pipelines/gen-filter.sh \
	tests/pipelines/gen-form.sh \
	tests/pipelines/gen-search.sh \
	tests/pipelines/gen-tokens.sh \
	tests/pipelines/lms-faults.sh \
	tests/pipelines/model-forms.sh \
	tests/pipelines/model-faults.sh \
	tests/pipelines/lms-filters.sh \
	tests/pipelines/lms-input.sh \
	tests/pipelines/lms-memory.sh \
	tests/pipelines/man-examples.sh \
	tests/pipelines/options.sh \
	tests/pipelines/plugin-example.sh \
	tests/pipelines/quant-faults.sh \
	tests/pipelines/quant-forms.sh \
	tests/pipelines/score-choices.sh \
	tests/pipelines/score-compare.sh \
	tests/pipelines/score-filter.sh \
	tests/pipelines/score-goldens.sh \
	tests/pipelines/score-html.sh \
	tests/pipelines/score-imatrix.sh \
	tests/pipelines/score-lines.sh \
	tests/pipelines/score-quantised.sh \
	tests/pipelines/score-report.sh \
	tests/pipelines/score-tokens.sh \
	tests/pipelines/score-written.sh \
	tests/pipelines/tok-answers.sh \
	tests/pipelines/tok-bad.sh \
	tests/pipelines/tok-cache.sh \
	tests/pipelines/tok-chat.sh \
	tests/pipelines/tok-encode.sh \
	tests/pipelines/tok-files.sh \
	tests/pipelines/tok-inputs.sh \
	tests/pipelines/tok-man.sh \
	tests/pipelines/tok-pack.sh \
	tests/pipelines/tok-paths.sh \
	tests/pipelines/tok-rows.sh \
	tests/pipelines/tok-stats.sh \
	tests/pipelines/tok-train-faults.sh \
	tests/pipelines/tok-train-models.sh \
	tests/pipelines/tok-train.sh \
	tests/pipelines/tok-words.sh \
	tests/pipelines/lora-jobs.sh \
	tests/pipelines/lora-quantised.sh \
	tests/pipelines/lora-train.sh \
	tests/pipelines/train-balance.sh \
	tests/pipelines/train-batches.sh \
	tests/pipelines/train-cache.sh \
	tests/pipelines/train-damage.sh \
	tests/pipelines/train-denoising.sh \
	tests/pipelines/train-faults.sh \
	tests/pipelines/train-freeze.sh \
	tests/pipelines/train-guards.sh \
	tests/pipelines/train-kill.sh \
	tests/pipelines/train-instances.sh \
	tests/pipelines/train-korean.sh \
	tests/pipelines/train-memory.sh \
	tests/pipelines/train-mix.sh \
	tests/pipelines/train-optimizers.sh \
	tests/pipelines/train-parallel.sh \
	tests/pipelines/train-qat.sh \
	tests/pipelines/train-recurrent.sh \
	tests/pipelines/train-reports.sh \
	tests/pipelines/train-resume.sh \
	tests/pipelines/train-sizes.sh \
	tests/pipelines/train-story.sh \
	tests/pipelines/train-stream.sh \
	tests/pipelines/train-sweep.sh \
	tests/pipelines/train-decoders.sh \
	tests/pipelines/train-seq2seq.sh \
	tests/pipelines/train-tasks.sh
TESTS += $(shell_tests)
EXTRA_DIST += $(shell_tests) tests/differential/differential.sh tests/pipelines/init.sh tests/pipelines/train-words.inc tests/pipelines/event_files.py tests/pipelines/fault-common.inc \
	tests/run

include tests/faults/faults.mk

# every point at which a run can be killed, which takes long: tests/pipelines/train-kill.sh tries a few of them
check-kill: all tests/faults/faults.la
	$(AM_TESTS_ENVIRONMENT) LMUTILS_KILL_POINTS=all LMUTILS_KILL_RANDOM=50 LMUTILS_TEST_TIMEOUT=20000 \
		bash $(srcdir)/tests/pipelines/train-kill.sh
.PHONY: check-kill

# the short cuts of encoding against the components, on as much text as one likes:
#   make check-paths TOKENIZERS="gpt2 llama3" [FILES="news.txt ..."] [MB=1000] [SEED=1]
check_PROGRAMS += tests/differential/paths
tests_differential_paths_SOURCES = tests/differential/paths.c
tests_differential_paths_CPPFLAGS = $(unit_cppflags)
tests_differential_paths_LDADD = $(unit_ldadd)
check-paths: tests/differential/paths$(EXEEXT)
	for tokenizer in $(TOKENIZERS); do \
		tests/differential/paths $(or $(MB),1000) $(or $(SEED),1) $$tokenizer $(FILES) || exit 1; \
	done
.PHONY: check-paths

# what was installed runs, and finds its library and its plugins
installcheck-local:
	for program in $(lm_programs); do $(DESTDIR)$(bindir)/$$program --version || exit 1; done
	test -s $(DESTDIR)$(pluginsdir)/bert.so
# and a plugin is built out of the tree, with what was installed (pkg-config knows nothing of DESTDIR)
	test -n "$(DESTDIR)" || { PKG_CONFIG_PATH=$(pkgconfigdir) && export PKG_CONFIG_PATH && \
		$(CC) $(CFLAGS) -shared -fPIC $(top_srcdir)/plugins/bert.c -o installcheck.so \
		`$(PKG_CONFIG) --cflags --libs lmutils` -lm; }
	rm -f installcheck.so
