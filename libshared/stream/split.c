/* Rows parted among several outputs, by what is in them. */
#include "base/log.h"
#include "base/memory.h"
#include "stream/filters_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct part {
    char *name, *path;
    double upto; /* shares of the parts up to this one */
    lm_filter_out out;
    bool wanted;
} part;

typedef struct parts {
    part *items;
    size_t count, cap;
} parts;

/* ---------------------------------------------------------------------------------------------------- the option */

static bool add_part(parts *p, const char *spec, size_t n, const lm_filter *f, lm_status *st)
{
    char *text = lm_strndup(spec, n), *equals = strchr(text, '=');
    double share = 0;
    bool good = equals && equals > text && lm_parse_float(equals + 1, &share) && share > 0 && share <= 1;
    if (good) {
        LM_GROW(p->items, p->count, p->cap);
        part *x = &p->items[p->count++];
        *x = (part){.name = lm_strndup(text, (size_t)(equals - text))};
        x->upto = (p->count > 1 ? x[-1].upto : 0) + share;
        x->wanted = !f->part || !strcmp(f->part, x->name);
        if (strchr(x->name, '/'))
            lm_fail(st, LM_USAGE, "--split: `%s` is no name of a part", x->name);
        for (size_t i = 0; i + 1 < p->count; i++)
            if (!strcmp(p->items[i].name, x->name))
                lm_fail(st, LM_USAGE, "--split: the part `%s` stands twice", x->name);
    } else {
        lm_fail(st, LM_USAGE, "--split: `%s` is no NAME=FRACTION such as train=0.9 or test=10%%", text);
    }
    free(text);
    return lm_ok(st);
}

static bool parse_parts(const lm_filter *f, parts *p, lm_status *st)
{
    const char *spec = f->split;
    bool found = !f->part;
    while (*spec) {
        size_t n = strcspn(spec, ",");
        if (!add_part(p, spec, n, f, st))
            return false;
        found |= p->items[p->count - 1].wanted;
        spec += n + (spec[n] == ',');
    }
    double all = p->count ? p->items[p->count - 1].upto : 0;
    if (!p->count || all > 1 + 1e-9)
        return lm_fail(st, LM_USAGE, "--split %s: the shares make %g, more than the whole", f->split, all);
    if (!found)
        return lm_fail(st, LM_USAGE, "--part %s: --split names no such part", f->part);
    if (all > 1 - 1e-9)
        p->items[p->count - 1].upto = 1;
    else if (!f->part)
        lm_info("%.4g %% of the rows go to no part", 100 * (1 - all));
    return true;
}

/* NULL: the row goes to none. */
static part *part_of(parts *p, uint64_t hash)
{
    double at = (double)(hash >> 11) * 0x1p-53;
    for (size_t i = 0; i < p->count; i++)
        if (at < p->items[i].upto)
            return &p->items[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------- hashes */

static uint64_t hash_bytes(const lm_filter *f, lm_str s)
{
    return XXH3_64bits_withSeed(s.data, s.len, f->seed);
}

/* A string counts by what it means, so that it does not matter how it is escaped; anything else by its spelling. */
static uint64_t hash_json(const lm_filter *f, lm_str json)
{
    if (!lm_json_is_string(json))
        return hash_bytes(f, json);
    lm_buf b = {0};
    lm_json_unquote(json, &b);
    uint64_t h = hash_bytes(f, lm_buf_str(&b));
    lm_buf_free(&b);
    return h;
}

/* Both texts, so that pairs of one first text are parted. */
static uint64_t hash_texts(const lm_filter *f, lm_str text, lm_str pair)
{
    uint64_t h = hash_bytes(f, text);
    return pair.len ? XXH3_64bits_withSeed(pair.data, pair.len, h) : h;
}

static bool fail_field(const lm_filter *f, const char *where, uint64_t row, lm_status *st)
{
    return lm_fail(st, LM_FAILED, "%s: row %" PRIu64 ": it has no `%s` to go by (--by)", where, row, f->field);
}

static bool hash_row(const lm_filter *f, const lm_rows *rows, int64_t i, uint64_t number, const char *where,
                     uint64_t *hash, lm_status *st)
{
    lm_str v;
    if (f->by == LM_BY_HASH) {
        v = lm_rows_bytes(rows, "text", i);
        if (v.data) {
            *hash = hash_texts(f, v, lm_rows_bytes(rows, "pair", i));
            return true;
        }
        v = lm_rows_bytes(rows, "ids", i);
        *hash = hash_bytes(f, v);
        return v.data || lm_fail(st, LM_FAILED, "%s: it has no `text` and no `ids` to go by: --by row", where);
    }
    v = lm_rows_field(rows, lm_str_of(f->field), i);
    if (!v.data)
        v = lm_rows_member(rows, strcmp(f->field, "label") ? f->field : "labels", i);
    if (v.data && !lm_str_is(v, "null")) {
        *hash = hash_json(f, v);
        return true;
    }
    v = lm_rows_bytes(rows, f->field, i);
    *hash = hash_bytes(f, v);
    return v.data || fail_field(f, where, number, st);
}

/* A record of kind text, by its line. */
static bool hash_line(const lm_filter *f, lm_str json, const char *where, uint64_t number, uint64_t *hash, lm_status *st)
{
    lm_str v, fields;
    if (f->by == LM_BY_HASH) {
        lm_buf text = {0}, pair = {0};
        if (lm_json_find(json, (lm_str){"text", 4}, &v))
            lm_json_unquote(v, &text);
        if (lm_json_find(json, (lm_str){"pair", 4}, &v))
            lm_json_unquote(v, &pair);
        *hash = hash_texts(f, lm_buf_str(&text), lm_buf_str(&pair));
        lm_buf_free(&text);
        lm_buf_free(&pair);
        return true;
    }
    bool found = (lm_json_find(json, (lm_str){"fields", 6}, &fields) && lm_json_find(fields, lm_str_of(f->field), &v)) ||
                 lm_json_find(json, lm_str_of(f->field), &v);
    if (!found || lm_str_is(v, "null"))
        return fail_field(f, where, number, st);
    *hash = hash_json(f, v);
    return true;
}

/* A plain record; one without text goes by its JSON. */
static bool hash_plain(const lm_filter *f, const lm_flow *flow, const char *where, uint64_t number, uint64_t *hash,
                       lm_status *st)
{
    const lm_text_record *t = &flow->text;
    const struct {
        const char *name;
        lm_str value;
    } own[] = {{"label", t->label}, {"pair", t->pair}, {"text", t->text}};
    if (f->by == LM_BY_HASH) {
        *hash = t->text.data ? hash_texts(f, t->text, t->pair) : hash_bytes(f, lm_buf_str(&flow->json));
        return true;
    }
    for (size_t i = 0; i < t->field_count; i++)
        if (lm_str_is(t->fields[i].name, f->field) && !lm_str_is(t->fields[i].json, "null")) {
            *hash = hash_json(f, t->fields[i].json);
            return true;
        }
    for (size_t i = 0; i < 3; i++)
        if (!strcmp(f->field, own[i].name) && own[i].value.data) {
            *hash = hash_bytes(f, own[i].value);
            return true;
        }
    if (strcmp(f->field, "id") != 0 || !t->id.data)
        return fail_field(f, where, number, st);
    *hash = hash_json(f, t->id);
    return true;
}

static uint64_t hash_number(const lm_filter *f, uint64_t number)
{
    return hash_bytes(f, (lm_str){(const char *)&number, sizeof number});
}

/* ---------------------------------------------------------------------------------------------------- parting */

static bool split_tokens(lm_flow *flow, parts *p, lm_rows *rows, uint64_t *row, lm_status *st)
{
    const lm_filter *f = flow->filter;
    const char *where = lm_lms_reader_where(flow->reader);
    if (!lm_rows_read(rows, &flow->record, st))
        return false;
    for (int64_t i = 0; i < flow->record.n; i++) {
        uint64_t number = (*row)++, hash = hash_number(f, number);
        if (f->by != LM_BY_ROW && !hash_row(f, rows, i, number, where, &hash, st))
            return false;
        part *x = part_of(p, hash);
        if (!x || !x->wanted)
            continue;
        x->out.rows++;
        if (!lm_packer_add(x->out.packer, rows, i, 1, st))
            return false;
    }
    return true;
}

static bool split_text(lm_flow *flow, parts *p, uint64_t number, lm_status *st)
{
    const lm_filter *f = flow->filter;
    const char *where = lm_input_name(flow->in);
    uint64_t hash = hash_number(f, number);
    lm_str json = flow->reader ? flow->record.line : lm_buf_str(&flow->json);
    if (f->by != LM_BY_ROW && !(flow->reader ? hash_line(f, json, where, number, &hash, st)
                                             : hash_plain(f, flow, where, number, &hash, st)))
        return false;
    part *x = part_of(p, hash);
    return !x || !x->wanted || lm_filter_out_line(&x->out, json, st);
}

static bool split_record(lm_flow *flow, parts *p, lm_rows *rows, uint64_t *row, lm_status *st)
{
    if (!flow->record.flush)
        return lm_flow_is_tokens(flow) ? split_tokens(flow, p, rows, row, st) : split_text(flow, p, (*row)++, st);
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].wanted && !lm_filter_out_put(&p->items[i].out, flow, st))
            return false;
    return true;
}

/* PREFIXtrain.lms; of plain text, PREFIXtrain.jsonl. */
static void name_outputs(parts *p, const lm_flow *flow)
{
    const lm_filter *f = flow->filter;
    for (size_t i = 0; i < p->count && !f->part; i++)
        p->items[i].path = lm_format("%s%s.%s", f->output ? f->output : "", p->items[i].name,
                                     flow->reader || f->framed ? "lms" : "jsonl");
}

static bool run(lm_flow *flow, parts *p, lm_status *st)
{
    lm_rows *rows = lm_rows_new(NULL);
    uint64_t number = 0;
    for (size_t i = 0; i < p->count && lm_ok(st); i++)
        if (p->items[i].wanted)
            lm_filter_out_open(&p->items[i].out, flow, flow->filter->part ? flow->filter->output : p->items[i].path, st);
    while (lm_ok(st) && lm_flow_next(flow, st) > 0)
        split_record(flow, p, rows, &number, st);
    lm_rows_free(rows);
    return lm_ok(st);
}

bool lm_filter_split(const lm_filter *filter, lm_status *st)
{
    lm_flow flow = {0};
    parts p = {0};
    if (parse_parts(filter, &p, st) && lm_flow_open(&flow, filter, st)) {
        name_outputs(&p, &flow);
        if (flow.reader && lm_lms_reader_kind(flow.reader) == LM_KIND_MODEL)
            lm_fail(st, LM_FAILED, "%s: a model has no rows", lm_input_name(flow.in));
        else
            run(&flow, &p, st);
    }
    /* all parts or none: the first failure keeps the others from being published */
    for (size_t i = 0; i < p.count; i++) {
        part *x = &p.items[i];
        uint64_t rows = x->out.rows;
        if (lm_filter_out_close(&x->out, st) && x->wanted)
            lm_info("%s: %" PRIu64 " rows", x->path ? x->path : x->name, rows);
        free(x->name);
        free(x->path);
    }
    free(p.items);
    lm_flow_close(&flow);
    return lm_ok(st);
}
