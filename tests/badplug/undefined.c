/* It calls a function that nobody has; RTLD_NOW finds out at once. */
#include "badplug.h"

lm_tensor *lm_no_such_operation(lm_graph *g, lm_tensor *x);

static lm_tensor *wishful(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    return lm_no_such_operation(g, block(g, s, config, index, x));
}

LM_PLUGIN(.name = "bad", .model_types = "bad", .configure = configure, .declare = declare, .embed = embed,
          .block = wishful, .heads = heads)
