# What the examples share: where programs, data, base models and results are. Each can be set on the command line.
#
#   make DATA=DIR         the directory that holds agnews/, mnli/, nsmc/ ...: each example says what it reads there
#   make BASE=DIR         start from this Hugging Face directory; without it, from one that base/Makefile pretrains once
#   make O=DIR            where everything goes (out)
#   make SEEDS="1 2 3"    so many runs, with the mean and standard deviation of their scores
#   make ROWS=N           learn from so many rows, chosen by their hash, instead of all
#   make LENGTH=N         rows of so many tokens at most (128)
#   make DROPOUT=P        share of values that training hides (0.1; the base models were pretrained without)
#   make THREADS=N        threads (one for each processor)
#
# All recipes are plain commands. They run in the shell `step`, which notes time and peak memory of each in $O/steps.
.PHONY: all clean
all:
clean:
	rm -rf $O

examples := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
DATA ?= $(if $(LMUTILS_TESTDATA),$(LMUTILS_TESTDATA),$(examples)/../../shared)/data
O ?= out
BASES ?= $(examples)/base/out
SEEDS ?= 1 2 3
LENGTH ?= 128
DROPOUT ?= 0.1
THREADS ?= 0
some = $(if $(ROWS),--max-train-samples $(ROWS))

# The programs: those in PATH, or those of ../build, which is made where it is not there.
BUILD ?= $(abspath $(examples)/../build)
ifeq ($(shell command -v finetune),)
export PATH := $(BUILD)/.libs:$(PATH)
export LD_LIBRARY_PATH := $(BUILD)/.libs$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))
export LMUTILS_PLUGIN_PATH := $(BUILD)/plugins/.libs
programs := $(BUILD)/.libs/finetune
$(programs):
	cd $(examples)/.. && { test -x configure || autoreconf -fi; }
	mkdir -p $(BUILD) && cd $(BUILD) && $(examples)/../configure -q && $(MAKE) -s
endif

# base: where training begins. An example names the one that it takes without BASE: `language = english`.
base = $(patsubst %/,%,$(or $(BASE),$(BASES)/$(language)))
base_model = $(base)/config.json
$(BASES)/%/config.json: | $(programs)
	$(MAKE) -C $(examples)/base $*
ifdef BASE
$(patsubst %/,%,$(BASE))/config.json:
	@echo "BASE=$(BASE): there is no $@ (paths are relative to $(CURDIR))" >&2; exit 1
endif

# $(call absent,FILES,WHAT): what is said where FILES are not there.
define absent
$(1):
	@echo "$$@ is missing. Needed: $(2). DATA=DIR names the directory that $(notdir $(patsubst %/,%,$(dir $(firstword $(1)))))/ is in." >&2; exit 1
endef

export LC_ALL := C.UTF-8
SHELL := $(examples)/step
.SHELLFLAGS = $O/steps $@ -c
.DELETE_ON_ERROR:
.SECONDARY:

# Training: an example says EPOCHS, BATCH and RATE, and adds what is its own, before the tokens to learn from. $* is the seed.
finetune = finetune -m $(base) -o $(@D) --seed $* -j $(THREADS) $(some) --epochs $(EPOCHS) --batch-size $(BATCH) \
    --learning-rate $(RATE) --warmup-ratio 0.1 $(if $(DROPOUT),--dropout $(DROPOUT)) --eval $O/eval.lms --log $(@D)-log.jsonl

# What comes after training. A model is $O/WAY-SEED; an example names its `ways`, of which the page shows the last, and the
# `measures` of the table, before it includes this file.
ifdef ways
# Scores are asked for by name: files that only a page stands on are not missed while the page is there.
scores = $(foreach way,$(ways),$(SEEDS:%=$O/$(way)-%.score))
all: $(scores) $O/report.html
	@../table $O $(measures) $(ways)
$O/%.score: $O/%/config.json $O/test.lms
	score -m $(<D) -j $(THREADS) --per-class $O/test.lms >$@
shown = $O/$(lastword $(ways))-$(firstword $(SEEDS))
$O/report.html: $(scores)
	score -m $(shown) -j $(THREADS) --ci --html $@ --log $(shown)-log.jsonl $O/test.lms >/dev/null
endif
