/* The contract of stream/blocks.h over lm_records: JSON Lines or plain lines out. Goes, with its line in augment.mk, when
 * stream/blocks.c comes. */
#include "base/atomic.h"
#include "base/memory.h"
#include "stream/blocks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct lm_form {
    bool plain;
};

static const lm_form forms[2] = {{false}, {true}};

struct lm_block_inside {
    lm_text_batch batch;
    lm_buf json;
    lm_arena *arena;
};

struct lm_blocks {
    lm_records *records;
    lm_blocks_options options;
    uint64_t tickets, doc;
    int rejects;
};

struct lm_blocks_writer {
    int fd;
    const char *name;
};

lm_blocks *lm_blocks_new(lm_input *in, const lm_blocks_options *options, lm_status *st)
{
    lm_blocks *b = lm_calloc(1, sizeof *b);
    b->options = *options;
    b->rejects = -1;
    b->records = lm_records_new(in, &options->records, st);
    if (b->records && options->records.rejects)
        b->rejects = open(options->records.rejects, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (b->records)
        return b;
    lm_blocks_free(b);
    return NULL;
}

void lm_blocks_free(lm_blocks *b)
{
    if (!b)
        return;
    if (b->rejects >= 0)
        close(b->rejects);
    lm_records_free(b->records);
    free(b);
}

int lm_blocks_next(lm_blocks *b, lm_block *block, lm_status *st)
{
    if (!block->inside) {
        block->inside = lm_calloc(1, sizeof *block->inside);
        block->inside->arena = lm_arena_new(0);
    }
    int rc = lm_records_batch(b->records, 1 << 16, b->options.bytes ? b->options.bytes : 1 << 20, &block->inside->batch, st);
    if (rc <= 0)
        return rc;
    block->ticket = b->tickets++;
    block->flush = false;
    return 1;
}

bool lm_block_parse(lm_block *block, lm_status *st)
{
    struct lm_block_inside *in = block->inside;
    (void)st;
    lm_arena_reset(in->arena);
    block->count = 0;
    block->sources = lm_arena_alloc(in->arena, in->batch.count + 1, sizeof *block->sources);
    for (size_t i = 0; i < in->batch.count; i++) {
        const lm_text_record *r = &in->batch.items[i];
        if (r->flush) {
            block->flush = true;
            continue;
        }
        bool plain = r->format == LM_FORMAT_TEXT;
        lm_source *s = &block->sources[block->count++];
        lm_source_text *t = lm_arena_alloc(in->arena, 1, sizeof *t);
        in->json.len = 0;
        if (plain)
            lm_buf_append(&in->json, r->text.data, r->text.len);
        else
            lm_text_record_json(r, false, &in->json);
        lm_buf text = {0};
        lm_json_string(r->text, &text);
        size_t begin = plain ? 0 : strlen("{\"text\":");
        *t = (lm_source_text){.text = r->text, .begin = begin, .end = begin + (plain ? r->text.len : text.len)};
        lm_buf_free(&text);
        *s = (lm_source){.form = &forms[plain], .number = r->number, .file = r->file, .line = r->line, .label = r->label,
                         .texts = t, .text_count = 1};
        s->bytes = (lm_str){lm_arena_strndup(in->arena, in->json.data, in->json.len), in->json.len};
    }
    return true;
}

void lm_block_free(lm_block *block)
{
    if (block->inside) {
        lm_text_batch_free(&block->inside->batch);
        lm_buf_free(&block->inside->json);
        lm_arena_free(block->inside->arena);
    }
    free(block->inside);
    *block = (lm_block){0};
}

void lm_blocks_count(lm_blocks *b, const lm_block *block)
{
    (void)b, (void)block;
}

uint64_t lm_blocks_given(const lm_blocks *b)
{
    return lm_records_count(b->records);
}

uint64_t lm_blocks_rejected(const lm_blocks *b)
{
    return lm_records_rejected(b->records);
}

uint64_t lm_blocks_unwanted(const lm_blocks *b)
{
    return lm_records_dropped(b->records);
}

uint64_t lm_blocks_replaced(const lm_blocks *b)
{
    return lm_records_replaced(b->records);
}

bool lm_blocks_reject(lm_blocks *b, const lm_source *s, const char *why, lm_status *st)
{
    lm_buf line = {0};
    lm_reject_line(s->file, s->line, why, s->bytes, &line);
    bool ok = b->rejects < 0 || lm_write_all(b->rejects, line.data, line.len, b->options.records.rejects, st);
    lm_buf_free(&line);
    return ok;
}

void lm_source_write(const lm_source *s, const lm_str *texts, lm_str extra, lm_buf *out)
{
    const lm_source_text *t = &s->texts[0];
    lm_buf_append(out, s->bytes.data, t->begin);
    if (s->form->plain)
        lm_buf_append(out, texts[0].data, texts[0].len);
    else
        lm_json_string(texts[0], out);
    lm_buf_append(out, s->bytes.data + t->end, s->bytes.len - t->end - !s->form->plain);
    if (extra.data && !s->form->plain) {
        lm_buf_puts(out, ",\"aug\":");
        lm_buf_append(out, extra.data, extra.len);
    }
    lm_buf_puts(out, s->form->plain ? "\n" : "}\n");
}

typedef struct packed {
    lm_source source;
    lm_source_text text;
    size_t changed;
} packed;

void lm_source_pack(const lm_source *s, const lm_str *texts, lm_buf *out)
{
    packed p = {.source = *s, .text = s->texts[0], .changed = texts[0].len};
    lm_buf_append(out, &p, sizeof p);
    lm_buf_append(out, s->bytes.data, s->bytes.len);
    lm_buf_append(out, texts[0].data, texts[0].len);
    lm_buf_append(out, s->label.data, s->label.len);
}

bool lm_source_unpack(lm_str *bytes, lm_arena *arena, lm_source *s)
{
    packed *p = lm_arena_alloc(arena, 1, sizeof *p);
    if (bytes->len < sizeof *p)
        return false;
    memcpy(p, bytes->data, sizeof *p);
    *s = p->source;
    const char *at = bytes->data + sizeof *p;
    s->bytes.data = at;
    p->text.text = (lm_str){at + s->bytes.len, p->changed};
    s->texts = &p->text;
    at += s->bytes.len + p->changed;
    if (s->label.data)
        s->label.data = at;
    at += s->label.len;
    bytes->len -= (size_t)(at - bytes->data);
    bytes->data = at;
    return true;
}

lm_blocks_writer *lm_blocks_writer_new(const lm_blocks *b, int fd, const char *name, const char *command, lm_status *st)
{
    lm_blocks_writer *w = lm_calloc(1, sizeof *w);
    (void)b, (void)command, (void)st;
    w->fd = fd;
    w->name = name;
    return w;
}

void lm_blocks_writer_free(lm_blocks_writer *w)
{
    free(w);
}

bool lm_blocks_put(lm_blocks_writer *w, lm_str written, lm_status *st)
{
    return lm_write_all(w->fd, written.data, written.len, w->name, st);
}

bool lm_blocks_flush(lm_blocks_writer *w, lm_status *st)
{
    (void)w, (void)st;
    return true;
}

bool lm_blocks_writer_close(lm_blocks_writer *w, lm_status *st)
{
    (void)w;
    return lm_ok(st);
}
