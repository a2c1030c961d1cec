/* No heads. */
#include "badplug.h"

static const lm_head none[] = {{0}};

LM_PLUGIN(.name = "bad", .model_types = "bad", .configure = configure, .declare = declare, .embed = embed,
          .block = block, .heads = none)
