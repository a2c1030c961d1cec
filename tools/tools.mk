# One block a program:
#     bin_PROGRAMS += tok
#     lm_programs += tok
#     tok_SOURCES = tools/tok.c
#     tok_LDADD = liblmutils.la
# From lm_programs come the page man/tok.1 (out of man/tok.1.in and the built program's option table) and the completions.
lm_programs =

bin_PROGRAMS += tok
lm_programs += tok
tok_SOURCES = tools/tok.c
tok_LDADD = liblmutils.la

bin_PROGRAMS += lms
lm_programs += lms
lms_SOURCES = tools/lms.c
lms_LDADD = liblmutils.la

bin_PROGRAMS += pretrain finetune
lm_programs += pretrain finetune
pretrain_SOURCES = tools/pretrain.c
pretrain_LDADD = liblmutils.la
finetune_SOURCES = tools/finetune.c
finetune_LDADD = liblmutils.la

bin_PROGRAMS += distill
lm_programs += distill
distill_SOURCES = tools/distill.c
distill_LDADD = liblmutils.la
bin_PROGRAMS += lora
lm_programs += lora
lora_SOURCES = tools/lora.c
lora_LDADD = liblmutils.la

bin_PROGRAMS += score
lm_programs += score
score_SOURCES = tools/score.c
score_LDADD = liblmutils.la

bin_PROGRAMS += augment
lm_programs += augment
augment_SOURCES = tools/augment.c
augment_LDADD = liblmutils.la

bin_PROGRAMS += quant
lm_programs += quant
quant_SOURCES = tools/quant.c
quant_LDADD = liblmutils.la $(JANSSON_LIBS)

bin_PROGRAMS += gen
lm_programs += gen
gen_SOURCES = tools/gen.c
gen_LDADD = liblmutils.la

bin_PROGRAMS += align
lm_programs += align
align_SOURCES = tools/align.c
align_LDADD = liblmutils.la
