/* No block function. */
#include "badplug.h"

LM_PLUGIN(.name = "bad", .model_types = "bad", .configure = configure, .declare = declare, .embed = embed,
          .heads = heads)
