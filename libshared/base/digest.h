/* xxhash.h, for those who hash streams: XXH3 over long runs with the widest vectors of the processor at hand, where the library
 * has them; else with those of every processor of its kind. */
#ifndef LM_BASE_DIGEST_H
#define LM_BASE_DIGEST_H

#include "config.h"

#include <xxhash.h>
#ifdef HAVE_XXH3_64BITS_UPDATE_DISPATCH
#include <xxh_x86dispatch.h>
#endif

#endif
