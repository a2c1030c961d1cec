# what a user runs and changes; each is a Makefile of its own, of plain commands
EXTRA_DIST += examples/README.md examples/quickstart examples/debian-packages.awk examples/common.mk examples/texts.mk examples/rows.mk examples/step \
	examples/table examples/base/Makefile examples/agnews/Makefile examples/distill/Makefile examples/klue-nli/Makefile \
	examples/lowresource/Makefile examples/mnli/Makefile \
	examples/gen/Makefile examples/gen/measure.awk examples/gen/prompts.txt examples/ner/Makefile examples/nsmc/Makefile \
	examples/qat/Makefile examples/plugin/Makefile examples/plugin/gconv.c examples/plugin/gconv_check.c \
	examples/pretrain/Makefile examples/pretrain/curves.awk examples/pretrain/curves.gnuplot examples/pretrain/pages.awk \
	examples/pretrain/sentences.awk examples/pretrain/texts.awk examples/pretrain/transfer-table examples/qlora/Makefile examples/quant/Makefile examples/rlhf/Makefile examples/rlhf/answers.awk examples/stsb/Makefile
