/* Inside of cleaning: HTML's names. */
#ifndef LM_AUGMENT_CLEAN_HTML_H
#define LM_AUGMENT_CLEAN_HTML_H

#include "base/buffer.h"

#include <stdint.h>

/* The character of an entity, by its name between & and the semicolon; 0: no such. *bare: the semicolon may be missing. */
uint32_t lm_html_entity(lm_str name, bool *bare);

#endif
