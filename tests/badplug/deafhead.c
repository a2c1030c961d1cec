/* A head that computes nothing. */
#include "badplug.h"

static const lm_head deaf[] = {{.name = "deaf", .architecture = "DeafModel", .declare = declare}, {0}};

LM_PLUGIN(.name = "bad", .model_types = "bad", .configure = configure, .declare = declare, .embed = embed,
          .block = block, .heads = deaf)
