/* What steps remember of the tokens before them, so that a causal model reads a row piece by piece: the keys and values
 * of each attention, and the state of each recurrent layer. A step is given one in lm_step.cache; the plugin does not
 * know of it.
 *
 * What an operation remembers is keyed by where it stands: its layer, and its number among those of the layer that
 * remember anything. It is kept by row, in pages (kernels.h) that rows may share: so memory grows with the tokens, growing
 * copies nothing, and a row is forked or dropped in no time. Where attention has a window, pages before it are used again.
 *
 * Not for several threads at once. */
#ifndef LM_GRAPH_KV_CACHE_H
#define LM_GRAPH_KV_CACHE_H

#include "base/buffer.h"
#include "base/status.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lm_kv_cache lm_kv_cache;

lm_kv_cache *lm_kv_cache_new(int rows); /* that have no tokens yet */
/* Keys and values are kept as LM_F32 (if this is not called), LM_F16 or LM_Q8_0. Before anything is. */
void lm_kv_cache_keep_as(lm_kv_cache *c, lm_dtype type);
void lm_kv_cache_free(lm_kv_cache *c);

int lm_kv_cache_rows(const lm_kv_cache *c);
int lm_kv_cache_length(const lm_kv_cache *c, int row); /* tokens of the row that were read */
size_t lm_kv_cache_bytes(const lm_kv_cache *c);        /* of what is kept, pages that wait to be used again included */

/* Row i is from now on what row from[i] was: permutes, drops and forks. -1 gives a row without tokens. Fails where there is
 * no such row. */
bool lm_kv_cache_select(lm_kv_cache *c, const int32_t *from, int rows, lm_status *st);

/* The row forgets the last of its tokens, and has `length`. What a window has let go does not come back: tokens of more than one
 * step leave less in it. Fails where a layer remembers a state, from which nothing can be taken back. */
bool lm_kv_cache_shorten(lm_kv_cache *c, int row, int length, lm_status *st);

/* What an operation remembers of one row, in bytes of which the same can be made again. */
typedef struct lm_kv_part {
    int layer, number;                /* where it stands */
    int kv_heads, dim, keys;          /* of keys and values: of so many tokens, the last ones of the row */
    lm_dtype type;
    int width;                        /* of a state, in floats; 0 = keys and values */
    const void *bytes;                /* whole pages (kernels.h), or the state */
    size_t size;
} lm_kv_part;

size_t lm_kv_cache_parts(const lm_kv_cache *c);
/* Part i of a row; its bytes are put into `bytes`, which is emptied first. */
lm_kv_part lm_kv_cache_part(const lm_kv_cache *c, size_t i, int row, lm_buf *bytes);
/* The only row of a cache of which nothing was read yet remembers `length` tokens by these parts, whose bytes are copied. Fails
 * where sizes do not fit together, or the cache keeps another type; then it is of no more use. */
bool lm_kv_cache_restore(lm_kv_cache *c, int length, const lm_kv_part *parts, size_t count, lm_status *st);

/* A step begins; fails where one before it was not finished, since its tokens are there in part. */
bool lm_kv_cache_begin(lm_kv_cache *c, lm_status *st);
/* ... and is finished: row r has read splits[r+1] - splits[r] tokens more. */
void lm_kv_cache_advance(lm_kv_cache *c, const int32_t *splits);

/* ---- for operations ---- */

typedef struct lm_slot {
    int layer, number;
} lm_slot;

/* Room for the next keys of each row, `splits` [rows+1] of them, which lm_attention_keep writes then. What is returned is
 * the cache's, until the next call. window: how many keys up to its own a query sees; 0 = all before it. NULL: no memory, or
 * the slot holds something else. */
const lm_kept *lm_kv_cache_keys(lm_kv_cache *c, lm_slot at, int kv_heads, int dim, int window, const int32_t *splits,
                             lm_status *st);
/* The state of a recurrent layer, [rows, width], zeros at first; the step overwrites it. NULL as above. */
float *lm_kv_cache_state(lm_kv_cache *c, lm_slot at, int width, lm_status *st);

#endif
