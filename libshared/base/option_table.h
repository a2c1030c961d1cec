/* Inside base: what the parser and the renderings of an option table share. */
#ifndef LM_BASE_OPTION_TABLE_H
#define LM_BASE_OPTION_TABLE_H

#include "base/options.h"

/* A table ends with an entry that has neither name nor type. */
static inline bool lm_option_is_last(const lm_option *o)
{
    return !o->name;
}

static inline bool lm_option_takes_value(const lm_option *o)
{
    return o->type != LM_OPT_FLAG && o->type != LM_OPT_GROUP && (o->type != LM_OPT_STEP || o->value);
}

/* Each appends, and tells whether there was anything to append. */
bool lm_option_default(const lm_option *o, lm_buf *out); /* "0.1", "the model's own" */
bool lm_option_range(const lm_option *o, lm_buf *out);   /* "0 to 1", "at least 1" */
void lm_option_value_name(const lm_option *o, lm_buf *out); /* "FILE", "auto|always|never" */

/* Calls visit for each alias. */
void lm_option_each_alias(const lm_option *o, void (*visit)(lm_str alias, void *with), void *with);

#endif
