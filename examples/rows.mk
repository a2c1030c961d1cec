# texts.mk, and the rows of tokens that are made of it. Included after common.mk.
include ../texts.mk
tokens = tok -m $(base) $(form) --max-length $(LENGTH)
$O/train.lms: $(TRAIN) $(base_model)
	$(words) $< | $(tokens) >$@
# The texts of the test go along: the page shows those that the model is most wrong about.
$O/test.lms: $(TEST) $(base_model)
	$(words) $< | $(tokens) --keep-text >$@
# A thousand rows of it to look at while it learns: nothing is chosen by them.
$O/eval.lms: $O/test.lms
	lms --head 1000 $< >$@
