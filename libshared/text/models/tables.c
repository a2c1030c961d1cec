#include "text/models/tables.h"

#include "base/memory.h"
#include "text/models/trie.h"

#include <stdlib.h>

void lm_token_tables_free(lm_token_tables *t)
{
    if (!t->block.bytes) {
        lm_vocabulary_free(&t->vocabulary);
        lm_merge_index_free(&t->index);
        lm_token_trie_free(t->trie);
        free(t->merges);
        free(t->scores);
    }
    free(t->trie);
    lm_map_close(&t->block);
    *t = (lm_token_tables){0};
}

bool lm_token_tables_merge(lm_token_tables *t, lm_str left, lm_str right, lm_status *st)
{
    lm_merge m = {lm_vocabulary_find(&t->vocabulary, left), lm_vocabulary_find(&t->vocabulary, right)};
    lm_str lacking = m.left < 0 ? left : right;
    if (m.left < 0 || m.right < 0)
        return lm_fail(st, LM_FAILED, "merge %zu, \"%.*s %.*s\": \"%.*s\" is not in the vocabulary",
                       t->merge_count + 1, (int)left.len, left.data, (int)right.len, right.data,
                       (int)lacking.len, lacking.data);
    LM_GROW(t->merges, t->merge_count, t->merge_cap);
    t->merges[t->merge_count++] = m;
    return true;
}

bool lm_token_tables_merges(lm_token_tables *t, const lm_str *parts, size_t n)
{
    int ids[LM_VOCABULARY_AT_ONCE];
    lm_vocabulary_find_all(&t->vocabulary, parts, 2 * n, ids);
    for (size_t i = 0; i < n; i++) {
        if (ids[2 * i] < 0 || ids[2 * i + 1] < 0)
            return false;
        LM_GROW(t->merges, t->merge_count, t->merge_cap);
        t->merges[t->merge_count++] = (lm_merge){ids[2 * i], ids[2 * i + 1]};
    }
    return true;
}

bool lm_token_tables_score(lm_token_tables *t, lm_str token, double score, lm_status *st)
{
    size_t id = (size_t)t->vocabulary.size;
    int known = lm_vocabulary_find(&t->vocabulary, token);
    if (known >= 0 ? !lm_vocabulary_repeat(&t->vocabulary, known, st)
                   : !lm_vocabulary_add(&t->vocabulary, token, (int64_t)id, st))
        return false;
    LM_GROW(t->scores, id, t->score_cap);
    t->scores[id] = score;
    return true;
}

bool lm_merge_parts(lm_str merge, lm_str *left, lm_str *right)
{
    const char *space = memchr(merge.data, ' ', merge.len), *end = merge.data + merge.len;
    if (!space || memchr(space + 1, ' ', (size_t)(end - space - 1)))
        return false;
    *left = (lm_str){merge.data, (size_t)(space - merge.data)};
    *right = (lm_str){space + 1, (size_t)(end - space - 1)};
    return true;
}

static lm_str json_str(json_t *v)
{
    return (lm_str){json_string_value(v), json_string_length(v)};
}

/* [[token, score], ...]: a token's place is its id. */
static bool read_scores(lm_token_tables *t, json_t *vocab, lm_status *st)
{
    size_t id;
    json_t *pair;
    json_array_foreach(vocab, id, pair) {
        json_t *token = json_array_get(pair, 0), *score = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_string(token) || !json_is_number(score))
            return lm_fail(st, LM_FAILED, "element %zu of the model's \"vocab\" is not [token, score]", id);
        if (!lm_token_tables_score(t, json_str(token), json_number_value(score), st))
            return false;
    }
    return true;
}

static bool read_ids(lm_token_tables *t, json_t *vocab, lm_status *st)
{
    const char *token;
    size_t len;
    json_t *id;
    json_object_keylen_foreach(vocab, token, len, id)
    {
        if (!json_is_integer(id))
            return lm_fail(st, LM_FAILED, "the id of token \"%.*s\" is no integer", (int)len, token);
        if (!lm_vocabulary_add(&t->vocabulary, (lm_str){token, len}, json_integer_value(id), st))
            return false;
    }
    return true;
}

static bool read_merges(lm_token_tables *t, json_t *merges, lm_status *st)
{
    size_t i;
    json_t *merge;
    json_array_foreach(merges, i, merge) {
        lm_str left = {NULL, 0}, right = {NULL, 0};
        if (json_is_string(merge)) {
            if (strncmp(json_string_value(merge), "#version", 8) == 0)
                continue; /* the head of a merges.txt */
            lm_merge_parts(json_str(merge), &left, &right);
        } else if (json_array_size(merge) == 2 && json_is_string(json_array_get(merge, 0)) &&
                   json_is_string(json_array_get(merge, 1))) {
            left = json_str(json_array_get(merge, 0));
            right = json_str(json_array_get(merge, 1));
        }
        if (!left.data)
            return lm_fail(st, LM_FAILED, "merge %zu is neither \"left right\" nor [left, right]", i + 1);
        if (!lm_token_tables_merge(t, left, right, st))
            return false;
    }
    return true;
}

bool lm_token_tables_read(lm_token_tables *t, json_t *model, lm_status *st)
{
    json_t *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    if (!json_is_object(vocab) && !json_is_array(vocab))
        return lm_fail(st, LM_FAILED, "the model's \"vocab\" is missing or no object or array");
    if (!(json_is_array(vocab) ? read_scores : read_ids)(t, vocab, st))
        return false;
    if (merges && !json_is_array(merges))
        return lm_fail(st, LM_FAILED, "the model's \"merges\" is no array");
    return read_merges(t, merges, st);
}
