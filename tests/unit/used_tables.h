/* A file of kept tables, whoever made it: it is refused, or all that is in it can be used. */
#ifndef LM_TESTS_USED_TABLES_H
#define LM_TESTS_USED_TABLES_H

#include "text/files/table_cache.h"
#include "text/models/bpe.h"
#include "text/models/models.h"
#include "text/models/trie.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { TABLES_HEADER = 224, TABLES_KEY = 24, TABLES_DIGEST = 40, TABLES_DIGESTED = 48 };

/* The tokens of a text that is given as bytes, as a whole and each two characters, if the model takes them. */
static inline void use_parts(const lm_token_model *m, lm_str text, lm_model_scratch *scratch, lm_token_list *out)
{
    lm_bpe *b = m->own;
    if (!lm_token_model_takes_bytes(m))
        return;
    if (b->parts)
        memset(b->leads_on, 0xff, sizeof b->leads_on);
    lm_token_model_encode_bytes(m, text, scratch, out);
    for (size_t i = 0; i + 6 <= text.len; i++)
        lm_token_model_encode_bytes(m, (lm_str){text.data + i, 6}, scratch, out);
}

/* The tokens of some texts, by a model of BPE that has these tables: its merges are followed wherever they lead. */
static inline size_t use_merges(const lm_token_tables *tables)
{
    static const char *const texts[] = {"abab", "a", "\xc3\xa9\xf0\x9f\x98\x80 b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbb ab",
                                        "\xc3\xa9\xc3\xa9\xea\xb0\x80\xc3\xa9\xea\xb0\x80\xea\xb0\x80\xea\xb0\x80\xc3\xa9"};
    lm_token_model m = {.tables = *tables, .unk_id = -1};
    lm_model_scratch scratch = {0};
    lm_token_list out = {0};
    lm_status st = LM_STATUS_INIT;
    json_t *spec = json_pack("{s:s, s:b}", "type", "BPE", "byte_fallback", 1);
    m.type = &lm_bpe_type;
    m.tables.block = (lm_map){"", 0}; /* they stay where they are */
    if (tables->trie) {
        m.tables.trie = malloc(sizeof *tables->trie);
        *m.tables.trie = *tables->trie;
    }
    if (m.type->read(&m, spec, &st))
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            lm_token_model_encode(&m, lm_str_of(texts[i]), strlen(texts[i]), &scratch, &out);
            use_parts(&m, lm_str_of(texts[i]), &scratch, &out);
        }
    for (size_t i = 0; i < out.n; i++)
        if (out.at[i].id >= tables->vocabulary.size)
            abort();
    json_decref(spec);
    lm_token_model_free(&m);
    lm_token_list_free(&out);
    lm_model_scratch_free(&scratch);
    return out.n;
}

/* Walks their trie. */
static inline size_t use_trie(const lm_token_tables *tables)
{
    static const char *const texts[] = {"abab", "a", "\xc3\xa9\xf0\x9f\x98\x80 b", "xyx", "aaaaaaaaabbbbbbbbbbbb"};
    size_t sum = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t bytes, len = strlen(texts[i]);
        lm_token_trie_place at = lm_token_trie_root(tables->trie);
        for (size_t k = 0; k < len && lm_token_trie_step(tables->trie, &at, lm_token_trie_character(tables->trie, texts[i] + k, &bytes));) {
            k += bytes;
            if (lm_token_trie_ends(at) && (uint32_t)tables->trie->ids[at.node] >= (uint32_t)tables->vocabulary.size)
                abort();
            sum++;
        }
    }
    return sum;
}

/* Makes key and digest right, and uses what is taken. Whether it was. */
static inline bool use_tables(char *bytes, size_t n, const uint64_t key[2])
{
    lm_kept_tables kept;
    if (n >= TABLES_HEADER) {
        uint64_t digest = XXH3_64bits(bytes + TABLES_DIGESTED, n - TABLES_DIGESTED);
        memcpy(bytes + TABLES_KEY, key, 16);
        memcpy(bytes + TABLES_DIGEST, &digest, sizeof digest);
    }
    if (!lm_table_cache_parse((lm_map){bytes, n}, key, &kept))
        return false;
    const lm_vocabulary *v = &kept.tables.vocabulary;
    size_t sum = 0;
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        for (size_t i = 0; token.data && i < token.len; i++)
            sum += (unsigned char)token.data[i];
        int found = token.data ? lm_vocabulary_find(v, token) : -1;
        if (found >= v->size || token.len > v->longest)
            abort();
        sum += kept.tables.scores ? kept.tables.scores[id] > 0 : 0;
    }
    for (size_t i = 0; i < kept.tables.merge_count; i++) {
        lm_merge m = kept.tables.merges[i];
        if (m.left < 0 || m.left >= v->size || m.right < 0 || m.right >= v->size)
            abort();
    }
    if (kept.tables.index.slots)
        sum += use_merges(&kept.tables);
    if (kept.tables.trie)
        sum += use_trie(&kept.tables);
    for (size_t i = 0; i < kept.rest.len; i++)
        sum += (unsigned char)kept.rest.data[i];
    for (size_t i = 0; i < kept.added_text.len; i++)
        sum += (unsigned char)kept.added_text.data[i];
    for (size_t i = 0; i < kept.added.count; i++)
        if (!lm_added_tokens_get(&kept.added, kept.added.items[i].id))
            abort();
    lm_kept_tables_free(&kept);
    return sum + 1 > 0;
}

#endif
