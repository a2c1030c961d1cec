#include "text/models/models.h"

#include "base/memory.h"
#include "text/models/bpe.h"

#include <stdio.h>
#include <stdlib.h>

void lm_token_list_grow(lm_token_list *t)
{
    LM_GROW(t->at, t->n, t->cap);
}

void lm_token_list_free(lm_token_list *t)
{
    free(t->at);
    *t = (lm_token_list){0};
}

void *lm_model_scratch_get(lm_model_scratch *scratch, size_t count, size_t size)
{
    if (count > scratch->cap / size) {
        size_t cap = scratch->cap ? scratch->cap : 4096;
        while (cap / size < count)
            cap *= 2;
        free(scratch->at);
        scratch->at = lm_malloc(cap, 1);
        scratch->cap = cap;
    }
    return scratch->at;
}

void lm_model_scratch_free(lm_model_scratch *scratch)
{
    free(scratch->at);
    lm_buf_free(&scratch->form);
    lm_token_list_free(&scratch->window);
    *scratch = (lm_model_scratch){0};
}

static const struct {
    const char *name;
    const struct lm_token_model_type *type;
} types[] = {
    {"BPE", &lm_bpe_type},
    {"Unigram", &lm_unigram_type},
    {"WordPiece", &lm_wordpiece_type},
    {"WordLevel", &lm_word_level_type},
};

/* Older files do not say it: the members tell. */
static const char *guess_type(json_t *spec)
{
    return json_object_get(spec, "merges")                      ? "BPE"
           : json_is_array(json_object_get(spec, "vocab"))      ? "Unigram"
           : json_object_get(spec, "continuing_subword_prefix") ? "WordPiece"
                                                                : "WordLevel";
}

static bool check_tables(const lm_token_model *m, lm_status *st)
{
    const lm_vocabulary *v = &m->tables.vocabulary;
    if ((m->tables.scores != NULL) != (m->type == &lm_unigram_type))
        return lm_fail(st, LM_FAILED, "the \"vocab\" of a %s model is %s", m->name,
                       m->tables.scores ? "an object, not an array" : "an array of [token, score]");
    if (v->count == 0)
        return lm_fail(st, LM_FAILED, "the vocabulary is empty");
    if (v->size / 64 > v->count)
        return lm_fail(st, LM_FAILED, "%d tokens have ids up to %d: the vocabulary has too many holes",
                       v->count, v->size - 1);
    return true;
}

bool lm_token_model_read(lm_token_model *m, json_t *spec, lm_token_tables *tables, lm_status *st)
{
    *m = (lm_token_model){.unk_id = -1};
    if (!json_is_object(spec))
        return lm_fail(st, LM_FAILED, "it has no \"model\"");
    if (!json_object_get(spec, "type"))
        json_object_set_new(spec, "type", json_string(guess_type(spec)));
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "model", st);
    if (i < 0)
        return false;
    m->name = types[i].name;
    m->type = types[i].type;
    if (tables) {
        m->tables = *tables;
        *tables = (lm_token_tables){0};
    } else if (!lm_token_tables_read(&m->tables, spec, st)) {
        return false;
    }
    return check_tables(m, st) && m->type->read(m, spec, st);
}

void lm_token_model_free(lm_token_model *m)
{
    if (m->type && m->type->free)
        m->type->free(m);
    lm_token_tables_free(&m->tables);
    lm_buf_free(&m->prefix);
    lm_buf_free(&m->suffix);
    *m = (lm_token_model){.unk_id = -1};
}

int lm_token_model_bytes(const lm_vocabulary *v, int32_t ids[256])
{
    int found = 0;
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        ids[byte] = lm_vocabulary_find(v, lm_str_of(name));
        found += ids[byte] >= 0;
    }
    return found;
}

size_t lm_token_model_cut(const lm_token_model *m, const lm_char *at, size_t from, size_t to)
{
    return m->type == &lm_bpe_type ? lm_bpe_cut(m, at, from, to) : to;
}

bool lm_token_model_parts(const lm_token_model *m, uint32_t left, uint32_t right)
{
    return m->type == &lm_bpe_type && ((const lm_bpe *)m->own)->cuts && lm_bpe_parts(m, left, right);
}

void lm_token_model_encode(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                           lm_token_list *out)
{
    m->type->encode(m, word, chars, scratch, out);
}

bool lm_token_model_walk(const lm_token_model *m, lm_str word, bool bytes, lm_word_walk *walk, lm_model_scratch *scratch,
                         lm_token_list *out)
{
    if (out->n) { /* what was given by now */
        walk->first += (int64_t)out->n;
        walk->begin = (size_t)out->at[out->n - 1].end;
        out->n = 0;
    }
    if (m->type->walk)
        return m->type->walk(m, word, bytes, walk, scratch, out);
    m->type->encode(m, word, word.len, scratch, out);
    return false;
}

bool lm_token_model_walks(const lm_token_model *m)
{
    const lm_bpe *b = m->own;
    return m->type == &lm_unigram_type ? m->unk_id >= 0 : m->type == &lm_bpe_type && (b->takes_bytes || (b->cuts && m->byte_fallback));
}

void lm_token_model_describe(const lm_token_model *m, lm_buf *out)
{
    lm_buf_puts(out, m->name);
    m->type->describe(m, out);
}
