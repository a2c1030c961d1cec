/* What a record has to fulfil beyond its frame: rows and splits, the columns that lmstream(5) names, members. */
#include "base/memory.h"
#include "stream/json.h"
#include "stream/record.h"
#include "stream/rows.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- known names */

static const lm_known_column known_columns[] = {
    {"ids", LM_I32, LM_I32, LM_IS_RAGGED, 1, 0},
    {"types", LM_U8, LM_U8, LM_IS_LIKE_IDS, 1, 0},
    {"word_ids", LM_I32, LM_I32, LM_IS_LIKE_IDS, 1, 0},
    {"offsets", LM_I32, LM_I32, LM_IS_LIKE_IDS, 2, 2},
    {"loss_mask", LM_U8, LM_U8, LM_IS_LIKE_IDS, 1, 0},
    {"tags", LM_I32, LM_I32, LM_IS_LIKE_IDS, 1, 0},
    {"mlm_labels", LM_I32, LM_I32, LM_IS_LIKE_IDS, 1, 0},
    {"target_ids", LM_I32, LM_I32, LM_IS_RAGGED, 1, 0},
    {"chosen.ids", LM_I32, LM_I32, LM_IS_RAGGED, 1, 0},
    {"chosen.loss_mask", LM_U8, LM_U8, LM_IS_EITHER, 1, 0},
    {"chosen.logprobs", LM_F32, LM_F32, LM_IS_EITHER, 1, 0},
    {"rejected.ids", LM_I32, LM_I32, LM_IS_RAGGED, 1, 0},
    {"rejected.loss_mask", LM_U8, LM_U8, LM_IS_EITHER, 1, 0},
    {"rejected.logprobs", LM_F32, LM_F32, LM_IS_EITHER, 1, 0},
    {"label", LM_I32, LM_F32, LM_IS_ROW, 1, 0},
    {"multi_label", LM_U8, LM_U8, LM_IS_ROW_WIDE, 2, 0},
    {"answer", LM_I32, LM_I32, LM_IS_ROW_WIDE, 2, 2},
    {"desirable", LM_U8, LM_U8, LM_IS_ROW, 1, 0},
    {"weight", LM_F32, LM_F32, LM_IS_ROW, 1, 0},
    {"doc", LM_I32, LM_I32, LM_IS_ROW, 1, 0},
    {"row", LM_I32, LM_I32, LM_IS_ROW, 1, 0},
    {"truncated", LM_U8, LM_U8, LM_IS_ROW, 1, 0},
    {"seq_lengths", LM_I32, LM_I32, LM_IS_RAGGED, 1, 0},
    {"text", LM_U8, LM_U8, LM_IS_RAGGED, 1, 0},
    {"pair", LM_U8, LM_U8, LM_IS_RAGGED, 1, 0},
    {"logits", LM_F32, LM_F32, LM_IS_EITHER, 0, 0},
    {"logits.index", LM_I32, LM_I32, LM_IS_EITHER, 0, 0},
    {"logits.top", LM_F32, LM_F32, LM_IS_EITHER, 0, 0},
    {"logits.rest", LM_F32, LM_F32, LM_IS_EITHER, 0, 0},
    {"hidden", LM_F32, LM_F32, LM_IS_LIKE_IDS, 2, 0},
    {"pooled", LM_F32, LM_F32, LM_IS_ROW_WIDE, 2, 0},
    {"probs", LM_F32, LM_F32, LM_IS_EITHER, 0, 0},
    {"logprobs", LM_F32, LM_F32, LM_IS_LIKE_IDS, 1, 0},
    {"loss", LM_F32, LM_F32, LM_IS_ROW, 1, 0},
    {"reward", LM_F32, LM_F32, LM_IS_ROW, 1, 0},
};

const lm_known_column *lm_known_column_find(const char *name)
{
    for (size_t i = 0; i < sizeof known_columns / sizeof *known_columns; i++)
        if (known_columns[i].name[0] == name[0] && !strcmp(known_columns[i].name, name))
            return &known_columns[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------- roles */

static bool fail_column(lm_status *st, const char *name, const char *why)
{
    return lm_fail(st, LM_FAILED, "tensor `%s`: %s", name, why);
}

static int find(const lm_record *r, const char *name)
{
    for (size_t i = 0; i < r->column_count; i++)
        if (!strcmp(r->columns[i].name, name))
            return (int)i;
    return -1;
}

static int find_splits_of(const lm_record *r, const char *name)
{
    static const char suffix[] = ".splits";
    size_t n = strlen(name);
    for (size_t i = 0; i < r->column_count; i++) {
        const char *s = r->columns[i].name;
        if (!strncmp(s, name, n) && !strcmp(s + n, suffix))
            return (int)i;
    }
    return -1;
}

/* The splits that cut column i, -1 where none do. */
static bool find_splits(const lm_record *r, size_t i, int *splits, lm_status *st)
{
    const lm_column *c = &r->columns[i];
    const lm_known_column *known = lm_known_column_find(c->name);
    if (c->rows) {
        *splits = find(r, c->rows);
        return *splits >= 0 || lm_fail(st, LM_FAILED, "tensor `%s`: its rows are those of `%.80s`, which is missing",
                                       c->name, c->rows);
    }
    *splits = find_splits_of(r, c->name);
    if (*splits >= 0 || !known)
        return true;
    if (known->shape == LM_IS_RAGGED)
        return fail_column(st, c->name, "its row splits are missing");
    bool per_row = c->shape.dims > 0 && c->shape.size[0] == r->n;
    if (known->shape == LM_IS_LIKE_IDS || (known->shape == LM_IS_EITHER && !per_row)) {
        const char *base = !strncmp(c->name, "chosen.", 7)     ? "chosen.ids"
                           : !strncmp(c->name, "rejected.", 9) ? "rejected.ids"
                                                               : "ids";
        *splits = find_splits_of(r, base);
        if (*splits < 0)
            return fail_column(st, c->name, "its row splits are missing");
    }
    return true;
}

static bool check_splits(const lm_column *c, int64_t n, lm_status *st)
{
    if (c->dtype != LM_I32 || c->shape.dims != 1)
        return fail_column(st, c->name, "row splits are I32 with one dimension");
    if (c->shape.size[0] != n + 1)
        return lm_fail(st, LM_FAILED, "tensor `%s`: %lld row splits for n = %lld rows (n+1 are needed)", c->name,
                       (long long)c->shape.size[0], (long long)n);
    const int32_t *s = c->data;
    if (s[0] != 0)
        return fail_column(st, c->name, "the first row split is not 0");
    for (int64_t i = 0; i < n; i++)
        if (s[i + 1] < s[i])
            return lm_fail(st, LM_FAILED, "tensor `%s`: row splits decrease at row %lld", c->name, (long long)i);
    return true;
}

static bool is_splits(const lm_record *r, size_t i)
{
    const lm_column *c = &r->columns[i];
    size_t n = strlen(c->name);
    for (size_t k = 0; k < r->column_count; k++)
        if (r->columns[k].rows && !strcmp(r->columns[k].rows, c->name))
            return true;
    if (n <= 7 || strcmp(c->name + n - 7, ".splits") != 0)
        return false;
    for (size_t k = 0; k < r->column_count; k++) /* of a column that is there, or of none but looking like it */
        if (!strncmp(r->columns[k].name, c->name, n - 7) && !r->columns[k].name[n - 7])
            return true;
    return c->dtype == LM_I32 && c->shape.dims == 1 && c->shape.size[0] == r->n + 1;
}

bool lm_record_roles(const lm_record *r, lm_column_role *roles, lm_status *st)
{
    for (size_t i = 0; i < r->column_count; i++) {
        roles[i] = (lm_column_role){is_splits(r, i) ? LM_SPLITS : LM_UNCUTTABLE, -1};
        if (roles[i].kind == LM_SPLITS && !check_splits(&r->columns[i], r->n, st))
            return false;
    }
    for (size_t i = 0; i < r->column_count; i++) {
        const lm_column *c = &r->columns[i];
        int splits;
        if (roles[i].kind == LM_SPLITS)
            continue;
        if (!find_splits(r, i, &splits, st))
            return false;
        if (splits < 0) {
            bool blocks = lm_dtype_block(c->dtype) > 1 && c->shape.dims < 2;
            if (c->shape.dims > 0 && c->shape.size[0] == r->n && !blocks)
                roles[i].kind = LM_PER_ROW;
            continue;
        }
        if (lm_dtype_block(c->dtype) > 1 && c->shape.dims < 2)
            return fail_column(st, c->name, "blocks that lie across rows");
        int64_t last = ((const int32_t *)r->columns[splits].data)[r->n];
        if (c->shape.dims == 0 || c->shape.size[0] != last)
            return lm_fail(st, LM_FAILED, "tensor `%s`: it has %lld elements, its row splits end at %lld", c->name,
                           (long long)(c->shape.dims ? c->shape.size[0] : 0), (long long)last);
        roles[i] = (lm_column_role){LM_RAGGED, splits};
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- kind tokens */

static bool check_known(const lm_record *r, const lm_column_role *roles, lm_status *st)
{
    for (size_t i = 0; i < r->column_count; i++) {
        const lm_column *c = &r->columns[i];
        const lm_known_column *k = lm_known_column_find(c->name);
        if (!k)
            continue;
        if (c->dtype != k->dtype && c->dtype != k->other)
            return lm_fail(st, LM_FAILED, "tensor `%s`: its dtype is %s and not %s", c->name, lm_dtype_name(c->dtype),
                           lm_dtype_name(k->dtype));
        if (k->dims ? c->shape.dims != k->dims : c->shape.dims < 1)
            return lm_fail(st, LM_FAILED, "tensor `%s`: it has %d dimensions and not %d", c->name, c->shape.dims,
                           k->dims ? k->dims : 1);
        if (k->width && c->shape.size[c->shape.dims - 1] != k->width)
            return lm_fail(st, LM_FAILED, "tensor `%s`: its last dimension is %lld and not %lld", c->name,
                           (long long)c->shape.size[c->shape.dims - 1], (long long)k->width);
        bool row = k->shape == LM_IS_ROW || k->shape == LM_IS_ROW_WIDE;
        if ((row || k->shape == LM_IS_EITHER) && roles[i].kind != LM_PER_ROW && !(roles[i].kind == LM_RAGGED && !row))
            return lm_fail(st, LM_FAILED, "tensor `%s`: %lld values for n = %lld rows", c->name,
                           (long long)c->shape.size[0], (long long)r->n);
    }
    return true;
}

static bool fail_value(const lm_header_member *list, const char *name, bool strings_only, lm_status *st)
{
    lm_json j = lm_json_over(list->value);
    lm_str v;
    bool first = true;
    size_t i = 0;
    lm_json_enter(&j, '[');
    while (lm_json_element(&j, &first, &v) > 0 &&
           (v.data[0] == '"' || (!strings_only && (v.data[0] == '-' || (v.data[0] >= '0' && v.data[0] <= '9')))))
        i++;
    return lm_fail(st, LM_FAILED, "`%s`: value %zu is no string%s", name, i, strings_only ? "" : " and no number");
}

static bool check_values(const lm_header_member *list, const char *name, bool strings_only, int64_t n, lm_status *st)
{
    if (!lm_header_is(list, '['))
        return lm_fail(st, LM_FAILED, "`%s` is no list", name);
    if ((int64_t)list->count != n)
        return lm_fail(st, LM_FAILED, "`%s` has %zu values for n = %lld rows", name, list->count, (long long)n);
    return (strings_only ? list->strings : list->scalars) || fail_value(list, name, strings_only, st);
}

static bool check_fields(const lm_header_view *h, const lm_header_member *fields, int64_t n, lm_status *st)
{
    if (!lm_header_is(fields, '{'))
        return lm_fail(st, LM_FAILED, "`fields` is no object");
    for (const lm_header_member *m = lm_header_first(fields); m; m = lm_header_next(h, m))
        if (!lm_header_is(m, '[') || (int64_t)m->count != n)
            return lm_fail(st, LM_FAILED, "field `%.*s` has %zu values for n = %lld rows",
                           (int)(m->name.len < 80 ? m->name.len : 80), m->name.data, lm_header_is(m, '[') ? m->count : 0,
                           (long long)n);
    return true;
}

static bool check_members(const lm_record *r, const lm_header_view *h, lm_status *st)
{
    const lm_header_member *labels = lm_header_find(h, "labels"), *id = lm_header_find(h, "id");
    const lm_header_member *fields = lm_header_find(h, "fields");
    return (!labels || check_values(labels, "labels", true, r->n, st)) && (!id || check_values(id, "id", false, r->n, st)) &&
           (!fields || check_fields(h, fields, r->n, st));
}

/* Members that make sense by rows only. */
static const char *per_row_member(const lm_record *r, const lm_header_view *h)
{
    static const char *const names[] = {"labels", "id", "fields"};
    if (lm_record_column(r, "ids"))
        return "ids";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lm_header_find(h, names[i]))
            return names[i];
    return NULL;
}

static bool check_tokens(lm_record *r, const lm_header_view *h, lm_status *st)
{
    const lm_header_member *n = lm_header_find(h, "n");
    r->n = 0;
    if (!n) {
        const char *name = per_row_member(r, h);
        return !name || lm_fail(st, LM_FAILED, "`%s` without `n`", name);
    }
    if (!lm_header_integer(n, &r->n) || r->n < 0 || r->n > INT32_MAX)
        return lm_fail(st, LM_FAILED, "`n` is not a number of rows");
    lm_column_role few[32], *roles = r->column_count <= 32 ? few : lm_calloc(r->column_count, sizeof *roles);
    bool ok = lm_record_roles(r, roles, st) && check_known(r, roles, st) && check_members(r, h, st);
    if (roles != few)
        free(roles);
    return ok;
}

/* ---------------------------------------------------------------------------------------------------- other kinds */

static bool check_text(lm_record *r, const lm_header_view *h, lm_status *st)
{
    const lm_header_member *pair = lm_header_find(h, "pair"), *id = lm_header_find(h, "id");
    const lm_header_member *fields = lm_header_find(h, "fields"), *label = lm_header_find(h, "label");
    if (!lm_header_is(lm_header_find(h, "text"), '"'))
        return lm_fail(st, LM_FAILED, "no `text`, or it is no string");
    if (pair && !lm_header_is(pair, '"'))
        return lm_fail(st, LM_FAILED, "`pair` is no string");
    if (id && !strchr("\"-0123456789", id->value.data[0]))
        return lm_fail(st, LM_FAILED, "`id` is no string and no number");
    if (lm_header_is(label, '{') || lm_header_is(label, '['))
        return lm_fail(st, LM_FAILED, "`label` is no word and no number");
    if (fields && !lm_header_is(fields, '{'))
        return lm_fail(st, LM_FAILED, "`fields` is no object");
    if (r->payload.data)
        return lm_fail(st, LM_FAILED, "kind text has no payload");
    r->n = 1;
    return true;
}

static bool check_model(lm_record *r, lm_status *st)
{
    json_t *header = lm_record_header(r);
    json_t *file = json_object_get(header, "file"), *index = json_object_get(header, "index");
    json_t *part = json_object_get(header, "part"), *n = json_object_get(header, "n");
    if (n && (!json_is_integer(n) || json_integer_value(n) < 0))
        return lm_fail(st, LM_FAILED, "`n` is not a number of rows");
    r->n = json_integer_value(n);
    const char *name = json_string_value(file);
    if (file && (!name || !*name || strlen(name) != json_string_length(file) || name[0] == '/' || strstr(name, "..")))
        return lm_fail(st, LM_FAILED, "`file` is no name of a file in the model's directory");
    if (file && !r->payload.data)
        return lm_fail(st, LM_FAILED, "file `%s` has no payload", name);
    if (index && !json_is_object(index))
        return lm_fail(st, LM_FAILED, "`index` is no object");
    if (!part)
        return true;
    json_int_t v[3] = {-1, -1, -1};
    for (size_t i = 0; i < 3 && json_array_size(part) == 3; i++)
        if (json_is_integer(json_array_get(part, i)))
            v[i] = json_integer_value(json_array_get(part, i));
    if (v[0] < 0 || v[1] < 0 || v[2] < 0 || v[0] > v[2] || v[1] > v[2] - v[0])
        return lm_fail(st, LM_FAILED, "`part` is not [first row, rows, total rows]");
    return true;
}

bool lm_record_check(lm_record *record, const lm_header_view *header, lm_lms_kind kind, lm_status *st)
{
    return kind == LM_KIND_TEXT     ? check_text(record, header, st)
           : kind == LM_KIND_TOKENS ? check_tokens(record, header, st)
                                    : check_model(record, st);
}
