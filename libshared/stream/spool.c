/* Rows kept for reading in any order: parts as a packer makes them, in memory or in a mapped file. */
#include "stream/spool.h"
#include "base/memory.h"
#include "stream/lines.h"
#include "stream/record.h"
#include "stream/rows_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#define TRAINING                                                                                                     \
    "ids", "types", "label", "labels", "multi_label", "mlm_labels", "loss_mask", "tags", "weight", "doc", "target_ids", \
        "answer", "seq_lengths"

const char *const lm_training_columns[] = {TRAINING, NULL};
const char *const lm_training_word_columns[] = {TRAINING, "word_ids", NULL};
#define LOGITS "logits", "logits.index", "logits.top", "logits.rest"
const char *const lm_distillation_columns[] = {TRAINING, LOGITS, NULL};
const char *const lm_paired_columns[] = {TRAINING, LOGITS, "row", "id", NULL};
const char *const lm_preference_columns[] = {
    TRAINING,         "logprobs",     "desirable",          "chosen.ids",        "chosen.loss_mask",
    "chosen.logprobs", "rejected.ids", "rejected.loss_mask", "rejected.logprobs", NULL};

enum {
    DEFAULT_MEMORY = 256 << 20,
    PART_ALIGNMENT = 64,
    PIECE = 256 * 1024,          /* of memory for parts; where there are many of them */
    MANY = 8 << 20, LARGE = 4 << 20, /* ... larger, and so of large pages */
    STRIDE = 64                  /* rows from one part that is noted by its row to the next */
};

/* Memory for parts, one after another. */
typedef struct piece {
    struct piece *next;
    size_t used, size;
} piece;

/* The columns of a part; parts share it. */
typedef struct schema {
    size_t count;
    lm_column *columns;  /* names and rows owned; data and the first dimension are the part's */
    lm_column_role *roles;
    size_t *widths;
    struct schema *next;
} schema;

typedef struct part {
    uint64_t first_row;
    int64_t n;
    const schema *schema;
    char *memory;        /* its bytes; NULL = in the file, at `at` */
    uint64_t at;
    size_t *offsets;     /* of the columns in its bytes */
} part;

struct lm_spool {
    lm_spool_options options;
    lm_rows *rows;        /* of records that come in */
    lm_packer *packer;
    lm_buf first_columns; /* signature of the first record */
    schema *schemas;
    part *parts;
    size_t part_count, part_cap;
    uint32_t *parts_at;   /* [(rows + STRIDE - 1) / STRIDE]: the part with each STRIDEth row */
    piece *pieces;
    uint32_t *lengths;
    size_t length_cap;
    uint64_t row_count, tokens, bytes;
    XXH3_state_t *digest;
    uint64_t final_digest;
    json_t *preamble;
    const lm_spool *logits; /* whose rows bring those of these; NULL = these */
    uint64_t *places;       /* which of them for each row; NULL = at the same place */

    int fd;               /* -1: all in memory */
    char *name;
    lm_lms_writer *writer;
    const char *map;
    size_t map_size;
};

/* ---------------------------------------------------------------------------------------------------- schemas */

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && !strcmp(a, b));
}

static bool schema_fits(const schema *s, const lm_column *columns, size_t count)
{
    if (s->count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const lm_column *a = &s->columns[i], *b = &columns[i];
        if (strcmp(a->name, b->name) != 0 || a->dtype != b->dtype || a->shape.dims != b->shape.dims ||
            !same_text(a->rows, b->rows))
            return false;
        for (int d = 1; d < a->shape.dims; d++)
            if (a->shape.size[d] != b->shape.size[d])
                return false;
    }
    return true;
}

static const schema *find_schema(lm_spool *s, const lm_record *record, lm_status *st)
{
    for (const schema *x = s->schemas; x; x = x->next)
        if (schema_fits(x, record->columns, record->column_count))
            return x;
    size_t count = record->column_count;
    schema *x = lm_calloc(1, sizeof *x);
    x->count = count;
    x->columns = lm_calloc(count, sizeof *x->columns);
    x->roles = lm_calloc(count, sizeof *x->roles);
    x->widths = lm_calloc(count, sizeof *x->widths);
    x->next = s->schemas;
    s->schemas = x;
    for (size_t i = 0; i < count; i++) {
        const lm_column *c = &record->columns[i];
        x->columns[i] = *c;
        x->columns[i].name = lm_strdup(c->name);
        x->columns[i].rows = c->rows ? lm_strdup(c->rows) : NULL;
        size_t elements = 1;
        for (int d = 1; d < c->shape.dims; d++)
            elements *= (size_t)c->shape.size[d];
        x->widths[i] = elements / (size_t)lm_dtype_block(c->dtype) * lm_dtype_block_bytes(c->dtype);
    }
    return lm_record_roles(record, x->roles, st) ? x : NULL;
}

static int find(const schema *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->columns[i].name, name))
            return (int)i;
    return -1;
}

/* ---------------------------------------------------------------------------------------------------- parts */

static const char *part_bytes(const lm_spool *s, const part *p)
{
    return p->memory ? p->memory : s->map + p->at;
}

static const void *part_column(const lm_spool *s, const part *p, int column)
{
    return part_bytes(s, p) + p->offsets[column];
}

/* The part as a record. `columns` has room for those of its schema. */
static void part_record(const lm_spool *s, const part *p, lm_column *columns, lm_record *record)
{
    const schema *x = p->schema;
    *record = (lm_record){.columns = columns, .column_count = x->count, .n = p->n};
    for (size_t i = 0; i < x->count; i++) {
        lm_column *c = &columns[i];
        *c = x->columns[i];
        c->data = part_column(s, p, (int)i);
        if (x->roles[i].kind == LM_SPLITS)
            c->shape.size[0] = p->n + 1;
        else if (x->roles[i].kind == LM_PER_ROW)
            c->shape.size[0] = p->n;
        else
            c->shape.size[0] = ((const int32_t *)part_column(s, p, x->roles[i].splits))[p->n];
        c->bytes = (size_t)c->shape.size[0] * x->widths[i];
        if (c->shape.dims == 0 || (lm_dtype_block(c->dtype) > 1 && c->shape.dims < 2))
            lm_tensor_bytes(c->dtype, &c->shape, &c->bytes);
    }
}

/* Independent of the order of the columns. */
static void digest_part(lm_spool *s, int64_t n, const lm_column *columns, size_t count)
{
    uint64_t sum[2] = {(uint64_t)n, 0};
    for (size_t i = 0; i < count; i++)
        sum[1] += XXH3_64bits_withSeed(columns[i].data, columns[i].bytes,
                                       XXH3_64bits(columns[i].name, strlen(columns[i].name)));
    XXH3_64bits_update(s->digest, sum, sizeof sum);
}

static const int32_t *splits_of(const part *p, const lm_record *record, const char *name)
{
    int c = find(p->schema, name);
    return c < 0 || p->schema->roles[c].kind != LM_RAGGED ? NULL : record->columns[p->schema->roles[c].splits].data;
}

static void add_lengths(lm_spool *s, const part *p, const lm_record *record)
{
    const int32_t *ids = splits_of(p, record, "ids"), *chosen = splits_of(p, record, "chosen.ids");
    const int32_t *rejected = splits_of(p, record, "rejected.ids"), *splits = chosen && rejected ? chosen : ids;
    while (s->length_cap < s->row_count + (uint64_t)p->n) {
        s->length_cap = s->length_cap ? 2 * s->length_cap : 4096;
        s->lengths = lm_realloc(s->lengths, s->length_cap, sizeof *s->lengths);
    }
    for (int64_t i = 0; i < p->n; i++) {
        uint32_t length = splits ? (uint32_t)(splits[i + 1] - splits[i]) : 0;
        if (splits == chosen && chosen)
            length += (uint32_t)(rejected[i + 1] - rejected[i]);
        s->lengths[s->row_count++] = length;
        s->tokens += length;
    }
}

/* Notes a part that `record` describes; where its bytes are is for the caller to say. NULL: st. */
static part *add_part(lm_spool *s, const lm_record *record, lm_status *st)
{
    const schema *x = find_schema(s, record, st);
    if (!x)
        return NULL;
    LM_GROW(s->parts, s->part_count, s->part_cap);
    part *p = &s->parts[s->part_count++];
    *p = (part){.first_row = s->row_count, .n = record->n, .schema = x};
    p->offsets = lm_calloc(x->count, sizeof *p->offsets);
    lm_columns_layout(record->columns, record->column_count, p->offsets);
    digest_part(s, record->n, record->columns, record->column_count);
    add_lengths(s, p, record);
    return p;
}

/* ---------------------------------------------------------------------------------------------------- to a file */

static bool open_file(lm_spool *s, lm_status *st)
{
    if (s->options.file) {
        s->name = lm_strdup(s->options.file);
        s->fd = open(s->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (s->fd < 0)
            lm_fail_errno(st, LM_FAILED, "%s: cannot make it", s->name);
    } else {
        s->fd = lm_unlinked_file(&s->name, st);
    }
    return s->fd >= 0;
}

static bool write_part(lm_spool *s, part *p, const lm_column *columns, size_t count, lm_status *st)
{
    char members[32];
    snprintf(members, sizeof members, "\"n\":%" PRId64, p->n);
    if (!lm_lms_write_members(s->writer, lm_str_of(members), p->n, columns, count, st))
        return false;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += columns[i].bytes;
    p->at = lm_lms_writer_bytes(s->writer) - (bytes + 64 - bytes % 64);
    return true;
}

static void free_pieces(lm_spool *s)
{
    while (s->pieces) {
        piece *p = s->pieces;
        s->pieces = p->next;
        free(p);
    }
}

/* Moves what is in memory to a file, where the rest will go too. */
static bool start_file(lm_spool *s, lm_status *st)
{
    if (!open_file(s, st))
        return false;
    s->writer = lm_lms_writer_new(s->fd, s->name, LM_KIND_TOKENS, NULL, NULL, NULL, st);
    if (!s->writer)
        return false;
    for (size_t i = 0; i < s->part_count; i++) {
        part *p = &s->parts[i];
        lm_record record;
        lm_column *columns = lm_calloc(p->schema->count, sizeof *columns);
        part_record(s, p, columns, &record);
        bool ok = write_part(s, p, columns, record.column_count, st);
        free(columns);
        if (!ok)
            return false;
        p->memory = NULL;
    }
    free_pieces(s);
    return true;
}

static bool add_piece(lm_spool *s, size_t n, lm_status *st)
{
    size_t size = s->bytes >= MANY ? LARGE : PIECE;
    if (n > size - PART_ALIGNMENT)
        size = n + PART_ALIGNMENT; /* n is a record's: far from the end of all numbers */
    piece *p = lm_try_malloc_table(size, 1, "rows that are kept (--memory bounds them)", st);
    if (!p)
        return false;
    *p = (piece){s->pieces, PART_ALIGNMENT, size};
    s->pieces = p;
    return true;
}

/* Room for n bytes that no part has yet. */
static char *find_room(lm_spool *s, size_t n, lm_status *st)
{
    if ((!s->pieces || s->pieces->size - s->pieces->used < n) && !add_piece(s, n, st))
        return NULL;
    char *at = (char *)s->pieces + s->pieces->used;
    size_t used = (n + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT, left = s->pieces->size - s->pieces->used;
    s->pieces->used += used < left ? used : left;
    return at;
}

static bool keep_in_memory(lm_spool *s, part *p, const lm_column *columns, size_t count, size_t bytes, lm_status *st)
{
    p->memory = find_room(s, bytes, st);
    for (size_t i = 0; p->memory && i < count; i++)
        if (columns[i].bytes)
            memcpy(p->memory + p->offsets[i], columns[i].data, columns[i].bytes);
    return p->memory != NULL;
}

/* The packer's sink. */
static bool take_part(void *context, lm_str members, int64_t n, const lm_column *columns, size_t count, lm_status *st)
{
    (void)members; /* nobody asks for those that are not by rows */
    lm_spool *s = context;
    lm_record record = {.columns = (lm_column *)columns, .column_count = count, .n = n};
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++)
        bytes += columns[i].bytes;
    if (s->fd < 0 && s->bytes + bytes > s->options.memory && !start_file(s, st))
        return false;
    part *p = add_part(s, &record, st);
    if (!p)
        return false;
    s->bytes += bytes;
    return s->fd < 0 ? keep_in_memory(s, p, columns, count, bytes, st) : write_part(s, p, columns, count, st);
}

/* ---------------------------------------------------------------------------------------------------- filling */

static lm_spool *spool_new(lm_status *st)
{
    lm_spool *s = lm_calloc(1, sizeof *s);
    s->fd = -1;
    s->digest = XXH3_createState();
    if (!s->digest) {
        lm_fail(st, LM_FAILED, "no memory for a digest");
        lm_spool_free(s);
        return NULL;
    }
    XXH3_64bits_reset(s->digest);
    return s;
}

lm_spool *lm_spool_new(const lm_spool_options *options, lm_status *st)
{
    lm_spool *s = spool_new(st);
    if (!s)
        return NULL;
    s->options = *options;
    if (!s->options.memory)
        s->options.memory = DEFAULT_MEMORY;
    s->rows = lm_rows_new(options->keep);
    s->packer = lm_packer_new(take_part, s, true);
    if (options->file && !start_file(s, st)) {
        lm_spool_free(s);
        return NULL;
    }
    return s;
}

/* The first line of a that is not in b; data NULL where all are. */
static lm_str line_only_in(lm_str a, lm_str b)
{
    while (a.len) {
        size_t n = (size_t)((const char *)memchr(a.data, '\n', a.len) - a.data) + 1;
        if (!memmem(b.data, b.len, a.data, n))
            return (lm_str){a.data, strcspn(a.data, " \n")};
        a.data += n;
        a.len -= n;
    }
    return (lm_str){NULL, 0};
}

/* Names the column in which a record differs from the first one. */
static bool fail_uniform(const lm_spool *s, const lm_record *record, lm_status *st)
{
    lm_str first = lm_buf_str(&s->first_columns), now = lm_buf_str(&s->rows->signature);
    lm_str missing = line_only_in(first, now), more = line_only_in(now, first), name = missing.data ? missing : more;
    return lm_fail(st, LM_FAILED, "record %" PRIu64 ": `%.*s` is %s the first record: rows for training have the same "
                   "columns throughout", record->number, (int)name.len, name.data,
                   missing.data && more.data ? "not as in" : missing.data ? "missing, which stands in" : "new since");
}

bool lm_spool_add(lm_spool *s, const lm_record *record, lm_status *st)
{
    if (record->flush || !record->n)
        return true;
    if (!lm_rows_read(s->rows, record, st))
        return false;
    lm_buf *first = &s->first_columns;
    if (!first->data) {
        lm_buf_append(first, s->rows->signature.data, s->rows->signature.len);
        lm_buf_cstr(first);
    }
    lm_buf_cstr(&s->rows->signature);
    if (s->options.uniform && !lm_str_equal(lm_buf_str(first), lm_buf_str(&s->rows->signature)))
        return fail_uniform(s, record, st);
    return lm_packer_add(s->packer, s->rows, 0, record->n, st);
}

bool lm_spool_add_all(lm_spool *s, lm_lms_reader *reader, lm_status *st)
{
    lm_record record;
    int rc;
    while ((rc = lm_lms_next(reader, &record, st)) > 0)
        if (!lm_spool_add(s, &record, st))
            return false;
    return rc == 0;
}

/* For rows in any order, when all have come. */
static void note_parts(lm_spool *s)
{
    s->parts_at = lm_calloc((size_t)(s->row_count / STRIDE + 1), sizeof *s->parts_at);
    uint64_t row = 0;
    for (size_t i = 0; i < s->part_count; i++)
        for (; row < s->parts[i].first_row + (uint64_t)s->parts[i].n; row += STRIDE)
            s->parts_at[row / STRIDE] = (uint32_t)i;
}

static const part *find_part(const lm_spool *s, uint64_t row)
{
    const part *p = &s->parts[s->parts_at[row / STRIDE]];
    while (p->first_row + (uint64_t)p->n <= row)
        p++;
    return p;
}

static bool map_file(lm_spool *s, lm_status *st)
{
    off_t size = lseek(s->fd, 0, SEEK_END);
    if (size <= 0)
        return lm_fail(st, LM_FAILED, "%s: it is empty", s->name);
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot map it", s->name);
    s->map = map;
    s->map_size = (size_t)size;
    return true;
}

bool lm_spool_finish(lm_spool *s, json_t *preamble, lm_status *st)
{
    s->preamble = json_incref(preamble);
    if (!lm_packer_flush(s->packer, st))
        return false;
    lm_packer_free(s->packer);
    lm_rows_free(s->rows);
    s->packer = NULL;
    s->rows = NULL;
    s->final_digest = XXH3_64bits_digest(s->digest);
    note_parts(s);
    if (s->fd < 0)
        return true;
    if (s->options.file && preamble) { /* at the end: it may be known only then */
        json_t *keep = json_pack("{s:O}", "spool.preamble", preamble);
        bool ok = lm_lms_write(s->writer, keep, NULL, 0, st);
        json_decref(keep);
        if (!ok)
            return false;
    }
    if (!lm_lms_write_end(s->writer, st) || !map_file(s, st))
        return false;
    if (s->options.file && fsync(s->fd) != 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot write", s->name);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- reopening */

/* Notes every record of the file. The offset of a payload is what the reader has consumed, less payload and pad. */
static bool read_parts(lm_spool *s, lm_lms_reader *reader, lm_input *in, lm_status *st)
{
    lm_record record;
    int rc;
    while ((rc = lm_lms_next(reader, &record, st)) > 0) {
        json_t *preamble = json_object_get(lm_record_header(&record), "spool.preamble");
        if (preamble) {
            json_decref(s->preamble);
            s->preamble = json_incref(preamble);
        }
        if (!record.payload.data || !record.n)
            continue;
        part *p = add_part(s, &record, st);
        if (!p)
            return false;
        for (size_t i = 0; i < record.column_count; i++) { /* as they lie there */
            json_t *t = json_object_get(json_object_get(lm_record_header(&record), "tensors"), record.columns[i].name);
            p->offsets[i] = (size_t)json_integer_value(json_array_get(json_object_get(t, "data_offsets"), 0));
        }
        size_t padded = record.payload.len + 64 - record.payload.len % 64;
        p->at = lm_input_offset(in) - padded;
        s->bytes += record.payload.len;
    }
    return rc == 0;
}

lm_spool *lm_spool_reopen(const char *file, const uint64_t *digest, lm_status *st)
{
    lm_spool *s = spool_new(st);
    if (!s)
        return NULL;
    s->name = lm_strdup(file);
    s->fd = open(file, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the rows that were kept for a resume", file);
    lm_input *in = lm_ok(st) ? lm_input_fd(s->fd, file, st) : NULL;
    lm_lms_reader *reader = in ? lm_lms_reader_new(in, st) : NULL;
    bool ok = reader && read_parts(s, reader, in, st) && map_file(s, st);
    lm_lms_reader_free(reader);
    lm_input_close(in);
    note_parts(s);
    s->final_digest = XXH3_64bits_digest(s->digest);
    if (ok && digest && *digest != s->final_digest)
        ok = lm_fail(st, LM_FAILED, "%s: the rows kept there are not those of this training: digest %016" PRIx64
                     ", not %016" PRIx64, file, s->final_digest, *digest);
    if (!ok) {
        lm_spool_free(s);
        return NULL;
    }
    return s;
}

void lm_spool_free(lm_spool *s)
{
    if (!s)
        return;
    free(s->places);
    for (size_t i = 0; i < s->part_count; i++)
        free(s->parts[i].offsets);
    free_pieces(s);
    free(s->parts_at);
    while (s->schemas) {
        schema *x = s->schemas;
        s->schemas = x->next;
        for (size_t i = 0; i < x->count; i++) {
            free((char *)x->columns[i].name);
            free((char *)x->columns[i].rows);
        }
        free(x->columns);
        free(x->roles);
        free(x->widths);
        free(x);
    }
    if (s->map)
        munmap((void *)s->map, s->map_size);
    if (s->fd >= 0)
        close(s->fd);
    lm_lms_writer_free(s->writer);
    lm_packer_free(s->packer);
    lm_rows_free(s->rows);
    lm_buf_free(&s->first_columns);
    XXH3_freeState(s->digest);
    json_decref(s->preamble);
    free(s->parts);
    free(s->lengths);
    free(s->name);
    free(s);
}

/* ---------------------------------------------------------------------------------------------------- reading */

/* The bytes of row i of a part in a column by name; data NULL where it is absent. */
static lm_str row_bytes(const lm_spool *s, const part *p, int64_t i, const char *name)
{
    const schema *x = p->schema;
    int c = find(x, name);
    if (c < 0)
        return (lm_str){NULL, 0};
    size_t begin = (size_t)i, end = begin + 1;
    if (x->roles[c].kind == LM_RAGGED) {
        const int32_t *splits = part_column(s, p, x->roles[c].splits);
        begin = (size_t)splits[i];
        end = (size_t)splits[i + 1];
    }
    return (lm_str){(const char *)part_column(s, p, c) + begin * x->widths[c], (end - begin) * x->widths[c]};
}

static bool get(const lm_spool *s, const part *p, int64_t i, const char *name, void *to, size_t n)
{
    lm_str v = row_bytes(s, p, i, name);
    if (v.data)
        memcpy(to, v.data, n);
    return v.data != NULL;
}

/* A model's logits of the row, of which there are none where their columns do not belong together. */
static lm_tokens_logits row_logits(const lm_spool *s, const part *p, int64_t i, size_t tokens)
{
    lm_tokens_logits l = {0};
    const schema *x = p->schema;
    int all = find(x, "logits"), index = find(x, "logits.index"), some = all >= 0 ? all : index;
    if (some < 0)
        return l;
    l.per_token = x->roles[some].kind == LM_RAGGED;
    size_t units = l.per_token ? tokens : 1, width = x->widths[some] / sizeof(float), bytes = units * width * sizeof(float);
    lm_str numbers = row_bytes(s, p, i, all >= 0 ? "logits" : "logits.top");
    l.all = all >= 0 ? (const float *)numbers.data : NULL;
    bool whole = numbers.len == bytes;
    if (all < 0) {
        lm_str columns = row_bytes(s, p, i, "logits.index"), rest = row_bytes(s, p, i, "logits.rest");
        l.index = (const int32_t *)columns.data;
        l.top = (const float *)numbers.data;
        l.rest = (const float *)rest.data;
        whole = whole && l.top && columns.len == bytes && rest.data && rest.len == units * sizeof *l.rest;
    }
    l.width = whole ? width : 0;
    return l;
}

static lm_tokens_answer row_answer(const lm_spool *s, const part *p, int64_t i, const char *const names[3])
{
    lm_str ids = row_bytes(s, p, i, names[0]), mask = row_bytes(s, p, i, names[1]), logprobs = row_bytes(s, p, i, names[2]);
    size_t n = ids.len / sizeof(int32_t);
    int c = find(p->schema, names[2]);
    bool summed = c >= 0 && p->schema->roles[c].kind == LM_PER_ROW, fits = summed || logprobs.len == ids.len;
    return (lm_tokens_answer){(const int32_t *)ids.data, n, mask.len == n ? (const uint8_t *)mask.data : NULL,
                              fits ? (const float *)logprobs.data : NULL, summed};
}

void lm_spool_row(const lm_spool *s, uint64_t row, lm_tokens_row *out)
{
    static const char *const chosen[] = {"chosen.ids", "chosen.loss_mask", "chosen.logprobs"};
    static const char *const rejected[] = {"rejected.ids", "rejected.loss_mask", "rejected.logprobs"};
    const part *p = find_part(s, row);
    int64_t i = (int64_t)(row - p->first_row);
    lm_str ids = row_bytes(s, p, i, "ids");
    *out = (lm_tokens_row){.len = ids.len / sizeof *out->ids};
    out->ids = (const int32_t *)ids.data;
    lm_str logprobs = row_bytes(s, p, i, "logprobs");
    out->logprobs = logprobs.len == ids.len ? (const float *)logprobs.data : NULL;
    out->chosen = row_answer(s, p, i, chosen);
    out->rejected = row_answer(s, p, i, rejected);
    out->has_desirable = get(s, p, i, "desirable", &out->desirable, 1);
    out->types = (const uint8_t *)row_bytes(s, p, i, "types").data;
    out->word_ids = (const int32_t *)row_bytes(s, p, i, "word_ids").data;
    out->offsets = (const int32_t *)row_bytes(s, p, i, "offsets").data;
    out->loss_mask = (const uint8_t *)row_bytes(s, p, i, "loss_mask").data;
    out->tags = (const int32_t *)row_bytes(s, p, i, "tags").data;
    out->mlm_labels = (const int32_t *)row_bytes(s, p, i, "mlm_labels").data;
    int label = find(p->schema, "label");
    if (label >= 0 && p->schema->columns[label].dtype == LM_I32)
        out->has_label_id = get(s, p, i, "label", &out->label_id, 4);
    else if (label >= 0)
        out->has_label_float = get(s, p, i, "label", &out->label_float, 4);
    lm_str multi = row_bytes(s, p, i, "multi_label");
    out->multi_label = (const uint8_t *)multi.data;
    out->classes = multi.len;
    out->label_word = row_bytes(s, p, i, LM_SPOOL_LABELS);
    out->has_label_word = out->label_word.data != NULL;
    lm_str target = row_bytes(s, p, i, "target_ids");
    out->target_ids = (const int32_t *)target.data;
    out->target_len = target.len / sizeof *out->target_ids;
    lm_str texts = row_bytes(s, p, i, "seq_lengths");
    out->seq_lengths = (const int32_t *)texts.data;
    out->seq_count = texts.len / sizeof *out->seq_lengths;
    out->answer = (const int32_t *)row_bytes(s, p, i, "answer").data;
    out->logits = row_logits(s, p, i, out->len);
    if (s->logits) {
        lm_tokens_row said;
        lm_spool_row(s->logits, s->places ? s->places[row] : row, &said);
        out->logits = said.logits;
    }
    out->has_weight = get(s, p, i, "weight", &out->weight, 4);
    out->has_doc = get(s, p, i, "doc", &out->doc, 4);
    out->has_row = get(s, p, i, "row", &out->row, 4);
    out->id = row_bytes(s, p, i, LM_SPOOL_ID);
    out->has_truncated = get(s, p, i, "truncated", &out->truncated, 1);
    out->text = row_bytes(s, p, i, "text");
    out->pair = row_bytes(s, p, i, "pair");
}

void lm_spool_take_logits(lm_spool *s, const lm_spool *other, uint64_t *places)
{
    s->logits = other;
    free(s->places);
    s->places = places;
}

json_t *lm_spool_preamble(const lm_spool *s)
{
    return s->preamble;
}

uint64_t lm_spool_rows(const lm_spool *s)
{
    return s->row_count;
}

uint64_t lm_spool_tokens(const lm_spool *s)
{
    return s->tokens;
}

const uint32_t *lm_spool_lengths(const lm_spool *s)
{
    return s->lengths;
}

uint64_t lm_spool_bytes(const lm_spool *s)
{
    return s->bytes;
}

bool lm_spool_in_memory(const lm_spool *s)
{
    return s->fd < 0;
}

uint64_t lm_spool_digest(const lm_spool *s)
{
    return s->final_digest;
}
