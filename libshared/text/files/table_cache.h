/* The tables of a large tokenizer.json, kept in the user's cache directory as they lie in memory: taking a million strings out of
 * JSON, and making hash tables of them, is most of what opening one costs. A file there is found by the digest of all bytes of its
 * tokenizer.json, so that none is ever out of date, and what is in it is checked before it is used, whoever may have written it.
 * Nothing here fails: where there is no directory, or it cannot be written, or a file in it is cut, damaged or somebody else's, the
 * tables are made anew.
 *
 * The directory is $LMUTILS_CACHE (empty: there is none), or lmutils in $XDG_CACHE_HOME or ~/.cache. */
#ifndef LM_TEXT_FILES_TABLE_CACHE_H
#define LM_TEXT_FILES_TABLE_CACHE_H

#include "text/tokenizer_internal.h"

enum {
    LM_TABLE_CACHE_LEAST = 1 << 18, /* bytes of a tokenizer.json that is kept */
    LM_TABLE_CACHE_FILES = 16       /* that are kept; then the oldest goes */
};

typedef struct lm_table_cache {
    char *directory, *path; /* NULL: nothing is kept */
    uint64_t key[2];
} lm_table_cache;

/* Where the tables of this tokenizer.json are, or would be. */
void lm_table_cache_find(lm_table_cache *c, lm_str json);
void lm_table_cache_free(lm_table_cache *c);
/* What is kept of it. False, and nothing is taken: it is not there. */
bool lm_table_cache_read(const lm_table_cache *c, lm_kept_tables *kept);
/* Keeps what has become of it; `rest` is that of lm_token_tables_scan. */
void lm_table_cache_write(const lm_table_cache *c, const lm_tokenizer *t, lm_str rest);

/* The same of such a file as it stands in memory, at a multiple of 16. It stays there, and is closed with the tables. */
bool lm_table_cache_parse(lm_map file, const uint64_t key[2], lm_kept_tables *kept);
void lm_table_cache_print(const uint64_t key[2], const lm_tokenizer *t, lm_str rest, lm_buf *out);

#endif
