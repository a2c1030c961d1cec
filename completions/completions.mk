# Completions, printed by the built programs out of their option tables.
if BASH_COMPLETION
bashcompletiondir = $(BASH_COMPLETION_DIR)
nodist_bashcompletion_DATA = $(lm_programs:%=completions/bash/%)
endif
if ZSH_COMPLETION
zshcompletiondir = $(ZSH_COMPLETION_DIR)
nodist_zshcompletion_DATA = $(lm_programs:%=completions/zsh/_%)
endif
if FISH_COMPLETION
fishcompletiondir = $(FISH_COMPLETION_DIR)
nodist_fishcompletion_DATA = $(lm_programs:%=completions/fish/%.fish)
endif
completion_files = $(lm_programs:%=completions/bash/%) $(lm_programs:%=completions/zsh/_%) \
	$(lm_programs:%=completions/fish/%.fish)
CLEANFILES += $(completion_files)
generated = $(AM_V_GEN)$(MKDIR_P) $(@D) && ./$< --generate

$(lm_programs:%=completions/bash/%): completions/bash/%: %$(EXEEXT)
	$(generated)=bash >$@.tmp && mv $@.tmp $@
$(lm_programs:%=completions/zsh/_%): completions/zsh/_%: %$(EXEEXT)
	$(generated)=zsh >$@.tmp && mv $@.tmp $@
$(lm_programs:%=completions/fish/%.fish): completions/fish/%.fish: %$(EXEEXT)
	$(generated)=fish >$@.tmp && mv $@.tmp $@
