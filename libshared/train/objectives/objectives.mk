liblmutils_la_SOURCES += \
	libshared/train/objectives/class_weight.c libshared/train/objectives/class_weight.h \
	libshared/train/objectives/denoising.c libshared/train/objectives/denoising.h \
	libshared/train/objectives/micro_batch.c libshared/train/objectives/micro_batch.h \
	libshared/train/objectives/objective.c libshared/train/objectives/objective.h \
	libshared/train/objectives/spans.c libshared/train/objectives/spans.h \
	libshared/train/objectives/step_rows.c libshared/train/objectives/step_rows.h \
	libshared/train/objectives/targets.c libshared/train/objectives/targets.h
