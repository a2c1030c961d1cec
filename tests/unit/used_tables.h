/* A file of kept tables, whoever made it: it is refused, or all that is in it can be used. */
#ifndef LM_TESTS_USED_TABLES_H
#define LM_TESTS_USED_TABLES_H

#include "text/files/table_cache.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { TABLES_HEADER = 96, TABLES_KEY = 24, TABLES_DIGEST = 40, TABLES_DIGESTED = 48 };

/* Makes key and digest right, and uses what is taken. Whether it was. */
static inline bool use_tables(char *bytes, size_t n, const uint64_t key[2])
{
    lm_token_tables t = {0};
    lm_buf rest = {0};
    if (n >= TABLES_HEADER) {
        uint64_t digest = XXH3_64bits(bytes + TABLES_DIGESTED, n - TABLES_DIGESTED);
        memcpy(bytes + TABLES_KEY, key, 16);
        memcpy(bytes + TABLES_DIGEST, &digest, sizeof digest);
    }
    if (!lm_table_cache_parse((lm_str){bytes, n}, key, &t, &rest))
        return false;
    const lm_vocabulary *v = &t.vocabulary;
    size_t sum = 0;
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        for (size_t i = 0; token.data && i < token.len; i++)
            sum += (unsigned char)token.data[i];
        int found = token.data ? lm_vocabulary_find(v, token) : -1;
        if (found >= v->size || token.len > v->longest)
            abort();
        sum += t.scores ? t.scores[id] > 0 : 0;
    }
    for (size_t i = 0; i < t.merge_count; i++)
        if (!lm_vocabulary_get(v, t.merges[i].left).data || !lm_vocabulary_get(v, t.merges[i].right).data)
            abort();
    for (size_t i = 0; i < rest.len; i++)
        sum += (unsigned char)rest.data[i];
    lm_token_tables_free(&t);
    lm_buf_free(&rest);
    return sum + 1 > 0;
}

#endif
