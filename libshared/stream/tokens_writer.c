/* Rows packed into tokens records. */
#include "base/memory.h"
#include "stream/field_lists.h"
#include "stream/tokens.h"

#include <stdlib.h>
#include <string.h>

/* The columns a writer makes, in the order of the header. */
typedef enum slot {
    IDS, TYPES, WORD_IDS, OFFSETS, LOSS_MASK, TAGS, MLM_LABELS, LOGPROBS, TARGET, ANSWER, LABEL_ID, LABEL_FLOAT, MULTI_LABEL,
    WEIGHT, DOC, ROW, TRUNCATED, TEXT, PAIR, SEQ_LENGTHS, CHOSEN, CHOSEN_MASK, REJECTED, REJECTED_MASK, DESIRABLE, SLOTS,
    LABEL_WORD = SLOTS, ID
} slot;

#define OF_TENSORS ((1u << SLOTS) - 1) /* the set of those that are no member of the header */

typedef enum cut { CUT_ROW, CUT_LIKE, CUT_OWN } cut;

static const struct {
    const char *name;
    lm_dtype dtype;
    cut cut;
    const char *splits; /* CUT_OWN: its own; CUT_LIKE: those of another */
} slots[SLOTS] = {
    [IDS] = {"ids", LM_I32, CUT_OWN, "ids.splits"},
    [TYPES] = {"types", LM_U8, CUT_LIKE, "ids.splits"},
    [WORD_IDS] = {"word_ids", LM_I32, CUT_LIKE, "ids.splits"},
    [OFFSETS] = {"offsets", LM_I32, CUT_LIKE, "ids.splits"},
    [LOSS_MASK] = {"loss_mask", LM_U8, CUT_LIKE, "ids.splits"},
    [TAGS] = {"tags", LM_I32, CUT_LIKE, "ids.splits"},
    [MLM_LABELS] = {"mlm_labels", LM_I32, CUT_LIKE, "ids.splits"},
    [LOGPROBS] = {"logprobs", LM_F32, CUT_LIKE, "ids.splits"},
    [TARGET] = {"target_ids", LM_I32, CUT_OWN, "target_ids.splits"},
    [ANSWER] = {"answer", LM_I32, CUT_ROW, NULL},
    [LABEL_ID] = {"label", LM_I32, CUT_ROW, NULL},
    [LABEL_FLOAT] = {"label", LM_F32, CUT_ROW, NULL},
    [MULTI_LABEL] = {"multi_label", LM_U8, CUT_ROW, NULL},
    [WEIGHT] = {"weight", LM_F32, CUT_ROW, NULL},
    [DOC] = {"doc", LM_I32, CUT_ROW, NULL},
    [ROW] = {"row", LM_I32, CUT_ROW, NULL},
    [TRUNCATED] = {"truncated", LM_U8, CUT_ROW, NULL},
    [TEXT] = {"text", LM_U8, CUT_OWN, "text.splits"},
    [PAIR] = {"pair", LM_U8, CUT_OWN, "pair.splits"},
    [SEQ_LENGTHS] = {"seq_lengths", LM_I32, CUT_OWN, "seq_lengths.splits"},
    [CHOSEN] = {"chosen.ids", LM_I32, CUT_OWN, "chosen.ids.splits"},
    [CHOSEN_MASK] = {"chosen.loss_mask", LM_U8, CUT_LIKE, "chosen.ids.splits"},
    [REJECTED] = {"rejected.ids", LM_I32, CUT_OWN, "rejected.ids.splits"},
    [REJECTED_MASK] = {"rejected.loss_mask", LM_U8, CUT_LIKE, "rejected.ids.splits"},
    [DESIRABLE] = {"desirable", LM_U8, CUT_ROW, NULL},
};

struct lm_tokens_writer {
    lm_lms_writer *out;
    uint32_t columns; /* bits of slots: of the record in hand */
    size_t classes;
    int64_t n;
    size_t tokens, bytes;
    const lm_tokens_row *alone; /* a row that is a record by itself is written from where it stands */
    lm_buf data[SLOTS], splits[SLOTS];
    lm_buf labels, ids; /* JSON lists without brackets */
    lm_field_lists fields;
    lm_buf members;
};

lm_tokens_writer *lm_tokens_writer_new(lm_lms_writer *w)
{
    lm_tokens_writer *t = lm_calloc(1, sizeof *t);
    t->out = w;
    return t;
}

void lm_tokens_writer_free(lm_tokens_writer *t)
{
    if (!t)
        return;
    for (int s = 0; s < SLOTS; s++) {
        lm_buf_free(&t->data[s]);
        lm_buf_free(&t->splits[s]);
    }
    lm_field_lists_free(&t->fields);
    lm_buf_free(&t->labels);
    lm_buf_free(&t->ids);
    lm_buf_free(&t->members);
    free(t);
}

/* ---------------------------------------------------------------------------------------------------- rows */

/* A bit of the set, if it is in it: one row after another is asked for all of them, so nothing branches. */
static inline uint32_t bit(bool there, slot s)
{
    return (uint32_t)there << s;
}

static inline uint32_t columns_of(const lm_tokens_row *r)
{
    return bit(true, IDS) | bit(r->types, TYPES) | bit(r->word_ids, WORD_IDS) | bit(r->offsets, OFFSETS) |
           bit(r->loss_mask, LOSS_MASK) | bit(r->tags, TAGS) | bit(r->mlm_labels, MLM_LABELS) | bit(r->logprobs, LOGPROBS) |
           bit(r->target_ids, TARGET) | bit(r->answer, ANSWER) | bit(r->has_label_id, LABEL_ID) | bit(r->has_label_float, LABEL_FLOAT) |
           bit(r->multi_label, MULTI_LABEL) | bit(r->has_weight, WEIGHT) | bit(r->has_doc, DOC) | bit(r->has_row, ROW) |
           bit(r->has_truncated, TRUNCATED) | bit(r->text.data, TEXT) | bit(r->pair.data, PAIR) | bit(r->seq_lengths, SEQ_LENGTHS) |
           bit(r->chosen.ids, CHOSEN) | bit(r->chosen.loss_mask, CHOSEN_MASK) | bit(r->rejected.ids, REJECTED) |
           bit(r->rejected.loss_mask, REJECTED_MASK) | bit(r->has_desirable, DESIRABLE) | bit(r->has_label_word, LABEL_WORD) |
           bit(r->id.data, ID);
}

/* Bytes of the row in a column. */
static lm_str value_of(const lm_tokens_row *r, slot s)
{
    const size_t n = r->len;
    switch (s) {
    case IDS: return (lm_str){(const char *)r->ids, 4 * n};
    case TYPES: return (lm_str){(const char *)r->types, n};
    case WORD_IDS: return (lm_str){(const char *)r->word_ids, 4 * n};
    case OFFSETS: return (lm_str){(const char *)r->offsets, 8 * n};
    case LOSS_MASK: return (lm_str){(const char *)r->loss_mask, n};
    case TAGS: return (lm_str){(const char *)r->tags, 4 * n};
    case MLM_LABELS: return (lm_str){(const char *)r->mlm_labels, 4 * n};
    case LOGPROBS: return (lm_str){(const char *)r->logprobs, 4 * n};
    case TARGET: return (lm_str){(const char *)r->target_ids, 4 * r->target_len};
    case ANSWER: return (lm_str){(const char *)r->answer, 8};
    case LABEL_ID: return (lm_str){(const char *)&r->label_id, 4};
    case LABEL_FLOAT: return (lm_str){(const char *)&r->label_float, 4};
    case MULTI_LABEL: return (lm_str){(const char *)r->multi_label, r->classes};
    case WEIGHT: return (lm_str){(const char *)&r->weight, 4};
    case DOC: return (lm_str){(const char *)&r->doc, 4};
    case ROW: return (lm_str){(const char *)&r->row, 4};
    case DESIRABLE: return (lm_str){(const char *)&r->desirable, 1};
    case TRUNCATED: return (lm_str){(const char *)&r->truncated, 1};
    case TEXT: return r->text;
    case SEQ_LENGTHS: return (lm_str){(const char *)r->seq_lengths, 4 * r->seq_count};
    case CHOSEN: return (lm_str){(const char *)r->chosen.ids, 4 * r->chosen.len};
    case CHOSEN_MASK: return (lm_str){(const char *)r->chosen.loss_mask, r->chosen.len};
    case REJECTED: return (lm_str){(const char *)r->rejected.ids, 4 * r->rejected.len};
    case REJECTED_MASK: return (lm_str){(const char *)r->rejected.loss_mask, r->rejected.len};
    default: return r->pair;
    }
}

/* The first slot of a set, which is taken out. */
static slot take_slot(uint32_t *set)
{
    slot first = (slot)__builtin_ctz(*set);
    *set &= *set - 1;
    return first;
}

static size_t row_bytes(const lm_tokens_row *r, uint32_t columns)
{
    size_t bytes = 0;
    for (uint32_t left = columns & OF_TENSORS; left;)
        bytes += value_of(r, take_slot(&left)).len + 4;
    return bytes;
}

/* At most what the header will have with the row: every byte of a label may be escaped, every field may be null. */
static size_t header_bytes(const lm_tokens_writer *t, const lm_tokens_row *r)
{
    size_t bytes = lm_field_lists_bytes(&t->fields) + 5 * t->fields.count +
                   t->labels.len + t->ids.len + 6 * r->label_word.len + r->id.len + 8;
    for (size_t i = 0; i < r->field_count; i++)
        bytes += r->fields[i].json.len + 6 * r->fields[i].name.len + 16 + 5 * (size_t)t->n;
    return bytes;
}

static void append(lm_tokens_writer *t, const lm_tokens_row *row)
{
    for (uint32_t left = t->columns & OF_TENSORS; left;) {
        slot s = take_slot(&left);
        lm_str v = value_of(row, s);
        if (!t->alone)
            lm_buf_append(&t->data[s], v.data, v.len);
        if (slots[s].cut == CUT_OWN) {
            int32_t end = (int32_t)((t->alone ? v.len : t->data[s].len) / lm_dtype_block_bytes(slots[s].dtype));
            lm_buf_append(&t->splits[s], &end, sizeof end);
        }
    }
    if (row->has_label_word) {
        lm_buf_puts(&t->labels, t->n ? "," : "");
        lm_json_string(row->label_word, &t->labels);
    }
    if (row->id.data) {
        lm_buf_puts(&t->ids, t->n ? "," : "");
        lm_buf_append(&t->ids, row->id.data, row->id.len);
    }
    for (size_t i = 0; i < row->field_count; i++)
        lm_field_lists_add(&t->fields, t->n, row->fields[i].name, row->fields[i].json);
    t->n++;
    lm_field_lists_pad(&t->fields, t->n);
}

static void begin_record(lm_tokens_writer *t, const lm_tokens_row *row, uint32_t columns)
{
    static const int32_t zero = 0;
    t->columns = columns;
    t->classes = row->classes;
    t->n = 0;
    t->tokens = t->bytes = t->labels.len = t->ids.len = 0;
    lm_field_lists_clear(&t->fields);
    for (int s = 0; s < SLOTS; s++) {
        t->data[s].len = t->splits[s].len = 0;
        if (columns >> s & 1 && slots[s].cut == CUT_OWN)
            lm_buf_append(&t->splits[s], &zero, sizeof zero);
    }
}

bool lm_tokens_writer_add(lm_tokens_writer *t, const lm_tokens_row *row, lm_status *st)
{
    uint32_t columns = columns_of(row);
    size_t bytes = row_bytes(row, columns);
    if (bytes > LM_LMS_PAYLOAD_MAX)
        return lm_fail(st, LM_FAILED, "a row of %zu tokens and %zu bytes is more than a record can hold", row->len, bytes);
    bool fits = columns == t->columns && (!row->multi_label || row->classes == t->classes) &&
                t->tokens + row->len <= LM_LMS_RECORD_TOKENS && t->bytes + bytes <= LM_LMS_RECORD_BYTES &&
                header_bytes(t, row) <= LM_LMS_HEADER_MAX / 2;
    if (t->n && !fits && !lm_tokens_writer_flush(t, st))
        return false;
    if (!t->n)
        begin_record(t, row, columns);
    t->alone = bytes > LM_LMS_RECORD_BYTES ? row : NULL;
    append(t, row);
    t->tokens += row->len;
    t->bytes += bytes;
    return !t->alone || lm_tokens_writer_flush(t, st);
}

/* ---------------------------------------------------------------------------------------------------- records */

static size_t make_columns(const lm_tokens_writer *t, lm_column *out)
{
    size_t count = 0;
    for (int s = 0; s < SLOTS; s++) {
        if (!(t->columns >> s & 1))
            continue;
        lm_str d = t->alone ? value_of(t->alone, (slot)s) : lm_buf_str(&t->data[s]);
        int64_t rows = slots[s].cut == CUT_ROW ? t->n : (int64_t)(d.len / lm_dtype_block_bytes(slots[s].dtype));
        lm_column c = {.name = slots[s].name, .dtype = slots[s].dtype, .shape = {1, {rows}}, .data = d.data,
                       .bytes = d.len, .rows = slots[s].cut == CUT_LIKE ? slots[s].splits : NULL};
        if (s == OFFSETS)
            c.shape = (lm_shape){2, {rows / 2, 2}};
        if (s == ANSWER)
            c.shape = (lm_shape){2, {t->n, 2}};
        if (s == MULTI_LABEL)
            c.shape = (lm_shape){2, {t->n, (int64_t)t->classes}};
        out[count++] = c;
        if (slots[s].cut == CUT_OWN)
            out[count++] = (lm_column){.name = slots[s].splits, .dtype = LM_I32, .shape = {1, {t->n + 1}},
                                       .data = t->splits[s].data, .bytes = t->splits[s].len};
    }
    return count;
}

static void add_list(lm_buf *out, const char *name, const lm_buf *list)
{
    lm_buf_printf(out, ",\"%s\":[", name);
    lm_buf_append(out, list->data, list->len);
    lm_buf_putc(out, ']');
}

bool lm_tokens_writer_flush(lm_tokens_writer *t, lm_status *st)
{
    lm_column columns[2 * SLOTS];
    if (!t->n)
        return true;
    lm_buf *m = &t->members;
    m->len = 0;
    lm_buf_printf(m, "\"n\":%lld", (long long)t->n);
    if (t->columns >> LABEL_WORD & 1)
        add_list(m, "labels", &t->labels);
    if (t->columns >> ID & 1)
        add_list(m, "id", &t->ids);
    lm_field_lists_write(&t->fields, m);
    bool ok = lm_lms_write_members(t->out, lm_buf_str(m), t->n, columns, make_columns(t, columns), st);
    t->n = 0;
    t->columns = 0;
    t->alone = NULL;
    return ok;
}
