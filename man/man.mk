# Pages of programs: prose in NAME.1.in, synopsis and options printed by the built program (--generate), so that the
# option table is their only source. See page.sh for the places that are filled in.
man_pages = $(lm_programs:%=man/%.1)
man1_MANS = $(man_pages)
man5_MANS = man/lmstream.5
man7_MANS = man/lmplugin.7 man/lmutils.7
EXTRA_DIST += man/page.sh man/lmplugin.7.in man/lmstream.5.in man/lmutils.7.in \
	man/align.1.in man/augment.1.in man/distill.1.in man/finetune.1.in man/gen.1.in man/lms.1.in man/lora.1.in man/pretrain.1.in man/quant.1.in man/score.1.in man/tok.1.in
CLEANFILES += $(man_pages) man/lmplugin.7 man/lmstream.5 man/lmutils.7
page = $(AM_V_GEN)$(MKDIR_P) man && $(SHELL) $(top_srcdir)/man/page.sh

$(man_pages): man/%.1: man/%.1.in man/page.sh %$(EXEEXT)
	$(page) $(top_srcdir)/man/$*.1.in $@ $(PACKAGE_VERSION) $(LM_DATE) ./$*$(EXEEXT)

man/lmplugin.7 man/lmstream.5: %: %.in man/page.sh Makefile
	$(page) $(top_srcdir)/$@.in $@ $(PACKAGE_VERSION) $(LM_DATE)

# its table of aliases is that of all programs
man/lmutils.7: man/lmutils.7.in man/page.sh Makefile $(bin_PROGRAMS)
	$(page) $(top_srcdir)/man/lmutils.7.in $@ $(PACKAGE_VERSION) $(LM_DATE) $(lm_programs:%=./%$(EXEEXT))
