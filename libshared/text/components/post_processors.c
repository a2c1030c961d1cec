#include "base/memory.h"
#include "base/utf8.h"
#include "text/components/components.h"

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

/* ---------------------------------------------------------------- BertProcessing, RobertaProcessing,
 * ByteLevel */

static bool read_pair(json_t *spec, const char *name, int size, const char *what, int32_t *id, lm_status *st)
{
    json_t *pair = json_object_get(spec, name);
    if (json_array_size(pair) != 2)
        return lm_fail(st, LM_FAILED, "%s: \"%s\" is not a pair of token and id", what, name);
    if (!check_id(json_array_get(pair, 1), size, what, st))
        return false;
    *id = (int32_t)json_integer_value(json_array_get(pair, 1));
    return true;
}

/* [cls] A [sep], and with B behind it. BERT's second text is of segment 1; RoBERTa's has another separator
 * before it. */
static bool read_cls_sep(lm_post_processor *p, json_t *spec, bool roberta, int size, const char *what,
                         lm_status *st)
{
    int32_t cls, sep;
    uint8_t second = roberta ? 0 : 1;
    if (!read_pair(spec, "cls", size, what, &cls, st) || !read_pair(spec, "sep", size, what, &sep, st))
        return false;
    for (int pair = 0; pair < 2; pair++) {
        lm_template *t = pair ? &p->pair : &p->single;
        push(t, cls, 0);
        push(t, LM_TEMPLATE_A, 0);
        push(t, sep, 0);
    }
    if (roberta)
        push(&p->pair, sep, 0);
    push(&p->pair, LM_TEMPLATE_B, second);
    push(&p->pair, sep, second);
    return true;
}

static bool read_bert(lm_post_processor *p, json_t *spec, int size, lm_status *st)
{
    return read_cls_sep(p, spec, false, size, "BertProcessing", st);
}

static bool read_trim(lm_post_processor *p, json_t *spec, const char *what, lm_status *st)
{
    bool prefix = lm_spec_bool(spec, "add_prefix_space", true, what, st);
    if (lm_spec_bool(spec, "trim_offsets", true, what, st) && lm_ok(st)) {
        if (p->trim_count == LM_MAX_TRIMS)
            return lm_fail(st, LM_FAILED, "%s: spans are trimmed more than %d times", what, LM_MAX_TRIMS);
        p->keep_prefix_space[p->trim_count++] = prefix;
    }
    return lm_ok(st);
}

static bool read_roberta(lm_post_processor *p, json_t *spec, int size, lm_status *st)
{
    static const char what[] = "RobertaProcessing";
    return read_trim(p, spec, what, st) && read_cls_sep(p, spec, true, size, what, st);
}

static bool read_byte_level(lm_post_processor *p, json_t *spec, int size, lm_status *st)
{
    (void)size;
    return read_trim(p, spec, "ByteLevel", st);
}

/* `n` characters on, but not beyond `end`; and back, but not before `start`. */
static int32_t forward(lm_str text, int32_t at, size_t n, int32_t end)
{
    uint32_t code;
    for (; n > 0 && at < end; n--)
        at += (int32_t)lm_utf8_decode(text.data + at, (size_t)(end - at), &code);
    return at;
}

static int32_t back(lm_str text, int32_t at, size_t n, int32_t start)
{
    for (; n > 0 && at > start; n--) {
        at--;
        for (int k = 0; k < 3 && at > start && ((unsigned char)text.data[at] & 0xC0) == 0x80; k++)
            at--;
    }
    return at;
}

void lm_post_processor_trim(const lm_post_processor *p, lm_str text, bool first, size_t leading,
                            size_t trailing, int32_t span[2])
{
    for (int i = 0; i < p->trim_count; i++) {
        bool kept = p->keep_prefix_space[i] && leading == 1 && (first || span[0] == 0);
        if (!kept)
            span[0] = forward(text, span[0], leading, span[1]);
        span[1] = back(text, span[1], trailing, span[0]);
    }
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

/* ---------------------------------------------------------------- Sequence, the table */

enum { MAX_DEPTH = 16 };

static bool read_one(lm_post_processor *p, json_t *spec, int size, int depth, lm_status *st);

static bool read_sequence(lm_post_processor *p, json_t *spec, int size, int depth, lm_status *st)
{
    json_t *parts = json_object_get(spec, "processors");
    if (!json_is_array(parts))
        return lm_fail(st, LM_FAILED, "Sequence: \"processors\" is no list");
    for (size_t i = 0; i < json_array_size(parts); i++)
        if (!read_one(p, json_array_get(parts, i), size, depth + 1, st))
            return false;
    return true;
}

static const struct {
    const char *name;
    bool is_template;
    bool (*read)(lm_post_processor *p, json_t *spec, int size, lm_status *st); /* NULL: Sequence */
} types[] = {
    {"BertProcessing", true, read_bert},         {"ByteLevel", false, read_byte_level},
    {"RobertaProcessing", true, read_roberta},   {"Sequence", false, NULL},
    {"TemplateProcessing", true, read_template},
};

static bool read_one(lm_post_processor *p, json_t *spec, int size, int depth, lm_status *st)
{
    if (depth > MAX_DEPTH)
        return lm_fail(st, LM_FAILED, "post-processor: nested deeper than %d", MAX_DEPTH);
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "post-processor", st);
    if (i < 0)
        return false;
    if (types[i].is_template && p->single.count)
        return lm_fail(st, LM_FAILED, "Sequence: %s puts special tokens around what has some already",
                       types[i].name);
    return types[i].read ? types[i].read(p, spec, size, st) : read_sequence(p, spec, size, depth, st);
}

bool lm_post_processor_read(lm_post_processor *p, json_t *spec, int vocabulary_size, lm_status *st)
{
    *p = (lm_post_processor){0};
    if (spec && !json_is_null(spec) && !read_one(p, spec, vocabulary_size, 0, st))
        return false;
    if (p->single.count == 0 && p->pair.count == 0) {
        push(&p->single, LM_TEMPLATE_A, 0);
        push(&p->pair, LM_TEMPLATE_A, 0);
        push(&p->pair, LM_TEMPLATE_B, 1);
    }
    return true;
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
    for (int i = 0; i < p->trim_count; i++)
        lm_buf_puts(out, p->keep_prefix_space[i] ? ";trim but prefix" : ";trim");
}
