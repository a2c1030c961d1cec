/* It serves no model_type. */
#include "badplug.h"

LM_PLUGIN(.name = "bad", .model_types = " ", .configure = configure, .declare = declare, .embed = embed,
          .block = block, .heads = heads)
