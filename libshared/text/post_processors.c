#include "base/memory.h"
#include "text/components.h"

#include <stdlib.h>

static void push(lm_template *t, int32_t id, uint8_t type)
{
    t->pieces = lm_realloc(t->pieces, (size_t)t->count + 1, sizeof *t->pieces);
    t->pieces[t->count++] = (lm_template_piece){id, type};
    t->added += id >= 0;
}

static bool check_id(json_t *id, int size, const char *what, lm_status *st)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= size)
        return lm_fail(st, LM_FAILED, "%s: a special token's id is not in the vocabulary", what);
    return true;
}

/* ---------------------------------------------------------------- BertProcessing */

static bool read_bert(lm_post_processor *p, json_t *spec, int size, lm_status *st)
{
    json_t *cls = json_object_get(spec, "cls"), *sep = json_object_get(spec, "sep");
    if (json_array_size(cls) != 2 || json_array_size(sep) != 2)
        return lm_fail(st, LM_FAILED, "BertProcessing: \"cls\" or \"sep\" is not a pair of token and id");
    if (!check_id(json_array_get(cls, 1), size, "BertProcessing", st) ||
        !check_id(json_array_get(sep, 1), size, "BertProcessing", st))
        return false;
    int32_t c = (int32_t)json_integer_value(json_array_get(cls, 1));
    int32_t s = (int32_t)json_integer_value(json_array_get(sep, 1));
    for (int pair = 0; pair < 2; pair++) {
        lm_template *t = pair ? &p->pair : &p->single;
        push(t, c, 0);
        push(t, LM_TEMPLATE_A, 0);
        push(t, s, 0);
        if (pair) {
            push(t, LM_TEMPLATE_B, 1);
            push(t, s, 1);
        }
    }
    return true;
}

/* ---------------------------------------------------------------- TemplateProcessing */

static bool read_piece(lm_template *t, json_t *piece, json_t *tokens, int size, lm_status *st)
{
    json_t *token = json_object_get(piece, "SpecialToken"), *sequence = json_object_get(piece, "Sequence");
    json_t *body = token ? token : sequence;
    const char *id = json_string_value(json_object_get(body, "id"));
    json_t *type = json_object_get(body, "type_id");
    if (!id || !json_is_integer(type) || json_integer_value(type) < 0 || json_integer_value(type) > UINT8_MAX)
        return lm_fail(st, LM_FAILED,
                       "TemplateProcessing: a piece is neither a special token nor a sequence with a "
                       "type_id up to 255");
    uint8_t segment = (uint8_t)json_integer_value(type);
    if (!token) {
        if (strcmp(id, "A") != 0 && strcmp(id, "B") != 0)
            return lm_fail(st, LM_FAILED, "TemplateProcessing: the sequence \"%.40s\" is neither A nor B",
                           id);
        push(t, *id == 'A' ? LM_TEMPLATE_A : LM_TEMPLATE_B, segment);
        return true;
    }
    json_t *ids = json_object_get(json_object_get(tokens, id), "ids");
    if (!json_is_array(ids))
        return lm_fail(st, LM_FAILED, "TemplateProcessing: the special token \"%.100s\" has no ids", id);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        if (!check_id(json_array_get(ids, i), size, "TemplateProcessing", st))
            return false;
        push(t, (int32_t)json_integer_value(json_array_get(ids, i)), segment);
    }
    return true;
}

static bool read_template(lm_post_processor *p, json_t *spec, int size, lm_status *st)
{
    json_t *tokens = json_object_get(spec, "special_tokens");
    for (int pair = 0; pair < 2; pair++) {
        lm_template *t = pair ? &p->pair : &p->single;
        json_t *pieces = json_object_get(spec, pair ? "pair" : "single");
        if (!json_is_array(pieces))
            return lm_fail(st, LM_FAILED, "TemplateProcessing: \"%s\" is no list", pair ? "pair" : "single");
        bool seen[2] = {false, false};
        for (size_t i = 0; i < json_array_size(pieces); i++)
            if (!read_piece(t, json_array_get(pieces, i), tokens, size, st))
                return false;
        for (int i = 0; i < t->count; i++)
            if (t->pieces[i].id < 0)
                seen[t->pieces[i].id == LM_TEMPLATE_B] = true;
        if (pair ? !seen[0] || !seen[1] : seen[1])
            return lm_fail(st, LM_FAILED,
                           pair ? "TemplateProcessing: \"pair\" does not use both texts"
                                : "TemplateProcessing: \"single\" uses a second text");
    }
    return true;
}

/* ---------------------------------------------------------------- the table */

static const struct {
    const char *name;
    bool (*read)(lm_post_processor *p, json_t *spec, int size, lm_status *st);
} types[] = {
    {"BertProcessing", read_bert},
    {"TemplateProcessing", read_template},
};

bool lm_post_processor_read(lm_post_processor *p, json_t *spec, int vocabulary_size, lm_status *st)
{
    *p = (lm_post_processor){0};
    if (!spec || json_is_null(spec)) {
        push(&p->single, LM_TEMPLATE_A, 0);
        push(&p->pair, LM_TEMPLATE_A, 0);
        push(&p->pair, LM_TEMPLATE_B, 1);
        return true;
    }
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "post-processor", st);
    return i >= 0 && types[i].read(p, spec, vocabulary_size, st);
}

void lm_post_processor_free(lm_post_processor *p)
{
    free(p->single.pieces);
    free(p->pair.pieces);
    *p = (lm_post_processor){0};
}

void lm_post_processor_describe(const lm_post_processor *p, lm_buf *out)
{
    for (int pair = 0; pair < 2; pair++) {
        const lm_template *t = pair ? &p->pair : &p->single;
        for (int i = 0; i < t->count; i++)
            lm_buf_printf(out, "%s%d:%d",
                          i      ? ","
                          : pair ? ";"
                                 : "",
                          (int)t->pieces[i].id, (int)t->pieces[i].type);
    }
}
