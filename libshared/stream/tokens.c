/* What a tokens record means: the preamble's tokenizer, and the typed view. */
#include "stream/tokens.h"
#include "stream/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- preamble */

static const struct {
    const char *name;
    size_t at;
} id_members[] = {
    {"pad_id", offsetof(lm_tokenizer_info, pad_id)},   {"cls_id", offsetof(lm_tokenizer_info, cls_id)},
    {"sep_id", offsetof(lm_tokenizer_info, sep_id)},   {"mask_id", offsetof(lm_tokenizer_info, mask_id)},
    {"unk_id", offsetof(lm_tokenizer_info, unk_id)},   {"bos_id", offsetof(lm_tokenizer_info, bos_id)},
    {"eos_id", offsetof(lm_tokenizer_info, eos_id)},
};

enum { ID_MEMBERS = sizeof id_members / sizeof *id_members };

static int32_t *id_member(lm_tokenizer_info *info, size_t i)
{
    return (int32_t *)((char *)info + id_members[i].at);
}

static void set_digest(json_t *t, const char *name, bool has, uint64_t digest)
{
    char hex[17];
    if (!has)
        return;
    snprintf(hex, sizeof hex, "%016" PRIx64, digest);
    json_object_set_new(t, name, json_string(hex));
}

json_t *lm_tokens_preamble(const lm_tokenizer_info *info)
{
    json_t *preamble = json_object(), *t = json_object();
    if (info->path)
        json_object_set_new(t, "path", json_string(info->path));
    set_digest(t, "xxh3", info->has_xxh3, info->xxh3);
    set_digest(t, "behaviour", info->has_behaviour, info->behaviour);
    if (info->vocab_size >= 0)
        json_object_set_new(t, "vocab_size", json_integer(info->vocab_size));
    if (info->max_length > 0)
        json_object_set_new(t, "max_length", json_integer(info->max_length));
    for (size_t i = 0; i < ID_MEMBERS; i++) {
        int32_t id = *id_member((lm_tokenizer_info *)info, i);
        if (id >= 0)
            json_object_set_new(t, id_members[i].name, json_integer(id));
    }
    json_object_set_new(preamble, "tokenizer", t);
    return preamble;
}

static bool get_digest(json_t *t, const char *name, bool *has, uint64_t *digest, lm_status *st)
{
    json_t *v = json_object_get(t, name);
    const char *s = json_string_value(v);
    *has = s != NULL;
    if (!v)
        return true;
    if (!s || strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16)
        return lm_fail(st, LM_FAILED, "preamble: tokenizer.%s is not 16 hexadecimal digits", name);
    *digest = strtoull(s, NULL, 16);
    return true;
}

static bool get_integer(json_t *t, const char *name, int64_t most, int64_t *out, lm_status *st)
{
    json_t *v = json_object_get(t, name);
    if (!v || json_is_null(v))
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < -1 || json_integer_value(v) > most)
        return lm_fail(st, LM_FAILED, "preamble: tokenizer.%s is no number of a token", name);
    *out = json_integer_value(v);
    return true;
}

bool lm_tokenizer_info_read(json_t *preamble, lm_tokenizer_info *info, lm_status *st)
{
    json_t *t = json_object_get(preamble, "tokenizer");
    *info = (lm_tokenizer_info)LM_TOKENIZER_INFO_NONE;
    if (!t)
        return true;
    if (!json_is_object(t))
        return lm_fail(st, LM_FAILED, "preamble: `tokenizer` is no object");
    info->present = true;
    info->path = json_string_value(json_object_get(t, "path"));
    if (!get_digest(t, "xxh3", &info->has_xxh3, &info->xxh3, st) ||
        !get_digest(t, "behaviour", &info->has_behaviour, &info->behaviour, st) ||
        !get_integer(t, "vocab_size", INT32_MAX, &info->vocab_size, st) ||
        !get_integer(t, "max_length", INT64_MAX, &info->max_length, st))
        return false;
    for (size_t i = 0; i < ID_MEMBERS; i++) {
        int64_t id = -1;
        if (!get_integer(t, id_members[i].name, INT32_MAX, &id, st))
            return false;
        *id_member(info, i) = (int32_t)id;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- the view */

static const void *column_data(const lm_record *r, const char *name)
{
    const lm_column *c = lm_record_column(r, name);
    return c ? c->data : NULL;
}

static const lm_column *splits_of(const lm_record *r, const char *name, const char *own)
{
    const lm_column *c = lm_record_column(r, name);
    return c ? lm_record_column(r, c->rows ? c->rows : own) : NULL;
}

/* What programs take for ragged like ids has to be cut by the splits of ids themselves. */
static bool check_like_ids(const lm_record *r, const char *ids_splits, lm_status *st)
{
    static const char *const names[] = {"types", "word_ids", "offsets", "loss_mask", "tags", "mlm_labels", NULL};
    for (size_t i = 0; names[i]; i++) {
        const lm_column *c = lm_record_column(r, names[i]);
        char own[32];
        if (!c)
            continue;
        snprintf(own, sizeof own, "%s.splits", names[i]);
        const lm_column *s = lm_record_column(r, own), *ids = lm_record_column(r, ids_splits);
        if ((c->rows && strcmp(c->rows, ids_splits) != 0) ||
            (!c->rows && s && (s->bytes != ids->bytes || memcmp(s->data, ids->data, s->bytes) != 0)))
            return lm_fail(st, LM_FAILED, "tensor `%s`: its rows are not those of `ids`", names[i]);
    }
    return true;
}

static void view_labels(const lm_record *r, lm_tokens_view *v)
{
    const lm_column *label = lm_record_column(r, "label"), *multi = lm_record_column(r, "multi_label");
    if (label && label->dtype == LM_I32)
        v->label_id = label->data;
    else if (label)
        v->label_float = label->data;
    if (multi) {
        v->multi_label = multi->data;
        v->classes = multi->shape.size[1];
    }
}

/* Numbers of each unit in a column of any shape. */
static size_t width_of(const lm_column *c)
{
    size_t width = 1;
    for (int d = 1; d < c->shape.dims; d++)
        width *= (size_t)c->shape.size[d];
    return width;
}

/* Whether a column of outputs has a unit for each token, or else for each row. */
static bool is_per_token(const lm_record *r, const lm_column *c)
{
    char own[32];
    snprintf(own, sizeof own, "%s.splits", c->name);
    return c->rows || lm_record_column(r, own) || c->shape.size[0] != r->n;
}

static bool view_logits(const lm_record *r, lm_tokens_view *v, lm_status *st)
{
    const lm_column *all = lm_record_column(r, "logits"), *index = lm_record_column(r, "logits.index");
    const lm_column *top = lm_record_column(r, "logits.top"), *rest = lm_record_column(r, "logits.rest");
    const lm_column *some = all ? all : index;
    if (!some)
        return true;
    v->logits.width = width_of(some);
    v->logits.per_token = is_per_token(r, some);
    if (all) {
        v->logits.all = all->data;
    } else {
        if (!top || !rest || !lm_shape_equal(&top->shape, &index->shape) || width_of(rest) != 1 ||
            rest->shape.size[0] != index->shape.size[0])
            return lm_fail(st, LM_FAILED, "record %" PRIu64 ": `logits.index`, `logits.top` and `logits.rest` do not belong "
                           "together: make them again", r->number);
        v->logits.index = index->data;
        v->logits.top = top->data;
        v->logits.rest = rest->data;
    }
    return true;
}

/* Columns beside chosen.ids or rejected.ids, as far as they are cut as these are. */
static void view_answers(const lm_record *r, const char *side, struct lm_tokens_answers *a)
{
    char ids[32], own[64], name[32];
    snprintf(ids, sizeof ids, "%s.ids.splits", side);
    for (int i = 0; i < 2 && a->ids; i++) {
        snprintf(name, sizeof name, "%s.%s", side, i ? "logprobs" : "loss_mask");
        snprintf(own, sizeof own, "%s.splits", name);
        const lm_column *c = lm_record_column(r, name), *splits = c ? splits_of(r, name, own) : NULL;
        bool alike = c && (splits ? strcmp(splits->name, ids) == 0 : c->shape.size[0] == a->splits[r->n]);
        if (i && c && (alike || (!splits && c->shape.size[0] == r->n))) {
            a->logprobs = c->data;
            a->summed = !alike;
        } else if (!i && alike) {
            a->loss_mask = c->data;
        }
    }
}

bool lm_tokens_view_read(const lm_record *r, lm_tokens_view *v, lm_status *st)
{
    *v = (lm_tokens_view){.n = r->n};
    const lm_column *splits = splits_of(r, "ids", "ids.splits");
    if (!splits)
        return lm_fail(st, LM_FAILED, "record %" PRIu64 ": it has no `ids`", r->number);
    if (!check_like_ids(r, splits->name, st))
        return false;
    v->ids = column_data(r, "ids");
    v->ids_splits = splits->data;
    v->tokens = v->ids_splits[v->n];
    v->types = column_data(r, "types");
    v->word_ids = column_data(r, "word_ids");
    v->offsets = column_data(r, "offsets");
    v->loss_mask = column_data(r, "loss_mask");
    v->tags = column_data(r, "tags");
    v->mlm_labels = column_data(r, "mlm_labels");
    v->logprobs = splits_of(r, "logprobs", "logprobs.splits") == splits ? column_data(r, "logprobs") : NULL;
    v->desirable = column_data(r, "desirable");
    v->answer = column_data(r, "answer");
    v->weight = column_data(r, "weight");
    v->doc = column_data(r, "doc");
    v->row = column_data(r, "row");
    v->truncated = column_data(r, "truncated");
    const struct {
        const char *name, *own;
        const void **data;
        const int32_t **splits;
    } ragged[] = {
        {"target_ids", "target_ids.splits", (const void **)&v->target_ids, &v->target_ids_splits},
        {"text", "text.splits", (const void **)&v->text, &v->text_splits},
        {"pair", "pair.splits", (const void **)&v->pair, &v->pair_splits},
        {"chosen.ids", "chosen.ids.splits", (const void **)&v->chosen.ids, &v->chosen.splits},
        {"rejected.ids", "rejected.ids.splits", (const void **)&v->rejected.ids, &v->rejected.splits},
    };
    for (size_t i = 0; i < sizeof ragged / sizeof *ragged; i++) {
        const lm_column *s = splits_of(r, ragged[i].name, ragged[i].own);
        if (s) {
            *ragged[i].data = column_data(r, ragged[i].name);
            *ragged[i].splits = s->data;
        }
    }
    view_answers(r, "chosen", &v->chosen);
    view_answers(r, "rejected", &v->rejected);
    view_labels(r, v);
    if (!view_logits(r, v, st))
        return false;
    json_t *header = lm_record_header(r);
    v->labels = json_object_get(header, "labels");
    v->id = json_object_get(header, "id");
    v->fields = json_object_get(header, "fields");
    return true;
}

lm_tokens_row lm_tokens_answer_row(const lm_tokens_row *pair, const lm_tokens_answer *answer)
{
    return (lm_tokens_row){.ids = answer->ids, .len = answer->len, .loss_mask = answer->loss_mask, .logprobs = answer->logprobs,
                           .has_weight = pair->has_weight, .weight = pair->weight, .has_row = pair->has_row, .row = pair->row};
}

void lm_tokens_row_part(const lm_tokens_row *row, size_t first, size_t n, lm_tokens_row *part)
{
    *part = (lm_tokens_row){.ids = row->ids + first,
                            .len = n,
                            .types = row->types ? row->types + first : NULL,
                            .word_ids = row->word_ids ? row->word_ids + first : NULL,
                            .offsets = row->offsets ? row->offsets + 2 * first : NULL,
                            .loss_mask = row->loss_mask ? row->loss_mask + first : NULL,
                            .tags = row->tags ? row->tags + first : NULL,
                            .mlm_labels = row->mlm_labels ? row->mlm_labels + first : NULL};
}

static lm_tokens_answer answer_of(const struct lm_tokens_answers *a, int64_t i)
{
    if (!a->ids)
        return (lm_tokens_answer){0};
    size_t at = (size_t)a->splits[i];
    return (lm_tokens_answer){a->ids + at, (size_t)a->splits[i + 1] - at, a->loss_mask ? a->loss_mask + at : NULL,
                              a->logprobs ? a->logprobs + (a->summed ? (size_t)i : at) : NULL, a->summed};
}

/* From unit `first` on. */
static lm_tokens_logits logits_of(const lm_tokens_logits *l, size_t first)
{
    lm_tokens_logits from = *l;
    size_t at = first * l->width;
    if (l->all)
        from.all = l->all + at;
    else {
        from.index = l->index + at;
        from.top = l->top + at;
        from.rest = l->rest + first;
    }
    return from;
}

void lm_tokens_view_row(const lm_tokens_view *v, int64_t i, lm_tokens_row *row)
{
    size_t at = (size_t)v->ids_splits[i];
    *row = (lm_tokens_row){.ids = v->ids + at, .len = (size_t)v->ids_splits[i + 1] - at};
    row->types = v->types ? v->types + at : NULL;
    row->word_ids = v->word_ids ? v->word_ids + at : NULL;
    row->offsets = v->offsets ? v->offsets + 2 * at : NULL;
    row->loss_mask = v->loss_mask ? v->loss_mask + at : NULL;
    row->tags = v->tags ? v->tags + at : NULL;
    row->mlm_labels = v->mlm_labels ? v->mlm_labels + at : NULL;
    row->logprobs = v->logprobs ? v->logprobs + at : NULL;
    row->chosen = answer_of(&v->chosen, i);
    row->rejected = answer_of(&v->rejected, i);
    if ((row->has_desirable = v->desirable != NULL))
        row->desirable = v->desirable[i];
    if (v->labels) {
        json_t *word = json_array_get(v->labels, (size_t)i);
        row->has_label_word = true;
        row->label_word = (lm_str){json_string_value(word), json_string_length(word)};
    }
    if ((row->has_label_id = v->label_id != NULL))
        row->label_id = v->label_id[i];
    if ((row->has_label_float = v->label_float != NULL))
        row->label_float = v->label_float[i];
    if (v->multi_label) {
        row->multi_label = v->multi_label + i * v->classes;
        row->classes = (size_t)v->classes;
    }
    if (v->target_ids) {
        row->target_ids = v->target_ids + v->target_ids_splits[i];
        row->target_len = (size_t)(v->target_ids_splits[i + 1] - v->target_ids_splits[i]);
    }
    row->answer = v->answer ? v->answer + 2 * i : NULL;
    row->answers = v->answer && v->fields ? json_array_get(json_object_get(v->fields, "answers"), (size_t)i) : NULL;
    if (v->logits.width)
        row->logits = logits_of(&v->logits, v->logits.per_token ? at : (size_t)i);
    if ((row->has_weight = v->weight != NULL))
        row->weight = v->weight[i];
    if ((row->has_doc = v->doc != NULL))
        row->doc = v->doc[i];
    if ((row->has_row = v->row != NULL))
        row->row = v->row[i];
    if ((row->has_truncated = v->truncated != NULL))
        row->truncated = v->truncated[i];
    if (v->text)
        row->text = (lm_str){(const char *)v->text + v->text_splits[i],
                             (size_t)(v->text_splits[i + 1] - v->text_splits[i])};
    if (v->pair)
        row->pair = (lm_str){(const char *)v->pair + v->pair_splits[i],
                             (size_t)(v->pair_splits[i + 1] - v->pair_splits[i])};
}

bool lm_tokens_check_ids(const int32_t *ids, size_t n, int64_t vocab, const char *where, lm_status *st)
{
    uint32_t bound = vocab > INT32_MAX ? INT32_MAX : (uint32_t)vocab, beyond = 0;
    for (size_t i = 0; i < n; i++)
        beyond |= (uint32_t)ids[i] >= bound;
    if (!beyond)
        return true;
    size_t i = 0;
    while ((uint32_t)ids[i] < bound)
        i++;
    return lm_fail(st, LM_FAILED, "%s: token %zu: id %" PRId32 " is not in the vocabulary of %lld: these tokens were made "
                   "with another tokenizer", where, i, ids[i], (long long)vocab);
}
