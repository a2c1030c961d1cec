/* Tensors are written whose bytes come in pieces. */
#include "stream/bundle_writer.h"

#include "base/memory.h"
#include "stream/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { COPY = 1 << 20 };

typedef struct shard {
    int fd;
    char *name, *where; /* within the bundle, and for messages */
    uint64_t size;
} shard;

struct lm_bundle_pieces {
    lm_bundle_writer *w;
    const lm_safetensor *tensors;
    size_t count;
    uint64_t *done;   /* [count] bytes that have come */
    uint64_t *at;     /* [count] where a tensor begins in its file */
    size_t *of;       /* [count] its shard */
    shard *shards;    /* none in a stream */
    size_t shard_count;
    size_t current;   /* of a stream: the tensor that is being written */
    uint64_t in_part; /* and how many bytes its record still awaits */
};

static void pieces_free(lm_bundle_pieces *p)
{
    for (size_t s = 0; s < p->shard_count; s++) {
        if (p->shards[s].fd >= 0)
            close(p->shards[s].fd);
        free(p->shards[s].name);
        free(p->shards[s].where);
    }
    free(p->shards);
    free(p->of);
    free(p->at);
    free(p->done);
    free(p);
}

/* ---------------------------------------------------------------- files */

static bool open_shard(lm_bundle_pieces *p, shard *s, lm_status *st)
{
    if (p->w->form == LM_BUNDLE_ARCHIVE) {
        s->fd = lm_unlinked_file(&s->where, st);
        return s->fd >= 0;
    }
    s->where = lm_format("%s/%s", p->w->dir, s->name);
    s->fd = open(s->where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return s->fd >= 0 || lm_fail_errno(st, LM_FAILED, "%s: cannot create it", s->where);
}

/* Creates the file of a shard with its header, and finds the places of its tensors. */
static bool begin_shard(lm_bundle_pieces *p, size_t number, lm_status *st)
{
    shard *s = &p->shards[number];
    lm_safetensor *part = lm_malloc(p->count + 1, sizeof *part);
    size_t *index = lm_malloc(p->count + 1, sizeof *index), n = 0;
    uint64_t *at = lm_malloc(p->count + 1, sizeof *at);
    lm_buf head = {0};
    for (size_t i = 0; i < p->count; i++) {
        if (p->of[i] != number)
            continue;
        index[n] = i;
        part[n++] = p->tensors[i];
    }
    bool ok = lm_safetensors_lay_out(s->name, part, n, &head, at, st) && open_shard(p, s, st) &&
              lm_write_all(s->fd, head.data, head.len, s->where, st);
    s->size = head.len;
    for (size_t k = 0; ok && k < n; k++) {
        p->at[index[k]] = at[k];
        s->size += part[k].bytes;
    }
    lm_buf_free(&head);
    free(at);
    free(index);
    free(part);
    return ok;
}

static bool put_at(const shard *s, uint64_t at, const char *bytes, size_t n, lm_status *st)
{
    while (n) {
        ssize_t written = pwrite(s->fd, bytes, n, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return lm_fail_errno(st, LM_FAILED, "%s: cannot write it", s->where);
        bytes += written;
        at += (uint64_t)written;
        n -= (size_t)written;
    }
    return true;
}

/* The file of a shard becomes a member of the archive. */
static bool copy_shard(lm_bundle_pieces *p, const shard *s, lm_status *st)
{
    char *piece = lm_malloc(COPY, 1);
    bool ok = lm_bundle_begin_member(p->w, s->name, s->size, true, st);
    for (uint64_t at = 0; ok && at < s->size;) {
        ssize_t got = pread(s->fd, piece, COPY, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            ok = lm_fail_errno(st, LM_FAILED, "%s: cannot be read again", s->where);
        else
            ok = lm_bundle_member_bytes(p->w, piece, (size_t)got, st);
        at += (uint64_t)(got > 0 ? got : 0);
    }
    free(piece);
    return ok && lm_bundle_end_member(p->w, st);
}

static bool end_shard(lm_bundle_pieces *p, shard *s, lm_status *st)
{
    if (p->w->form == LM_BUNDLE_ARCHIVE)
        return copy_shard(p, s, st);
    int fd = s->fd;
    s->fd = -1;
    return close(fd) == 0 || lm_fail_errno(st, LM_FAILED, "%s: cannot write it", s->where);
}

/* ---------------------------------------------------------------- a stream */

/* The record of tensor p->current, or of its next rows. */
static bool begin_record(lm_bundle_pieces *p, lm_status *st)
{
    const lm_safetensor *t = &p->tensors[p->current];
    lm_column c = {.name = t->name, .dtype = t->dtype, .shape = t->shape, .bytes = t->bytes};
    json_t *header = NULL;
    if (t->bytes > LM_LMS_PAYLOAD_MAX) {
        int64_t all = t->shape.size[0];
        uint64_t row = t->bytes / (uint64_t)all, first = p->done[p->current] / row, most = LM_LMS_PAYLOAD_MAX / row;
        if (!most)
            return lm_fail(st, LM_FAILED, "%s: a row of more than %d bytes does not fit into a stream", t->name,
                           LM_LMS_PAYLOAD_MAX);
        uint64_t rows = (uint64_t)all - first < most ? (uint64_t)all - first : most;
        header = json_pack("{s:[I, I, I]}", "part", (json_int_t)first, (json_int_t)rows, (json_int_t)all);
        c.shape.size[0] = (int64_t)rows;
        c.bytes = (size_t)(rows * row);
    }
    p->in_part = c.bytes;
    bool ok = lm_lms_begin_column(p->w->stream, header, &c, st);
    json_decref(header);
    return ok;
}

static bool put_into_stream(lm_bundle_pieces *p, const char *bytes, size_t n, lm_status *st)
{
    while (n) {
        if (!p->in_part && !begin_record(p, st))
            return false;
        size_t k = n < p->in_part ? n : (size_t)p->in_part;
        if (!lm_lms_put_piece(p->w->stream, bytes, k, st))
            return false;
        p->in_part -= k;
        p->done[p->current] += k;
        bytes += k;
        n -= k;
    }
    return true;
}

/* Tensors that are whole are left behind; those without bytes have a record, too. */
static bool step_stream(lm_bundle_pieces *p, size_t to, lm_status *st)
{
    for (; p->current < to; p->current++) {
        if (p->done[p->current] != p->tensors[p->current].bytes)
            return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" is not complete", p->w->name, p->tensors[p->current].name);
        if (!p->tensors[p->current].bytes && !begin_record(p, st))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- both */

lm_bundle_pieces *lm_bundle_begin_pieces(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, uint64_t shard_bytes,
                                         lm_status *st)
{
    lm_bundle_pieces *p = lm_calloc(1, sizeof *p);
    p->w = w;
    p->tensors = tensors;
    p->count = count;
    p->done = lm_calloc(count + 1, sizeof *p->done);
    if (w->form == LM_BUNDLE_STREAM) {
        if (lm_bundle_stream_of(w, st))
            lm_bundle_put_index(w, tensors, count, st);
    } else {
        p->at = lm_calloc(count + 1, sizeof *p->at);
        p->of = lm_calloc(count + 1, sizeof *p->of);
        p->shard_count = lm_bundle_assign_shards(tensors, count, shard_bytes, p->of);
        p->shards = lm_calloc(p->shard_count, sizeof *p->shards);
        for (size_t s = 0; s < p->shard_count; s++)
            p->shards[s] = (shard){.fd = -1, .name = lm_bundle_shard_name(s, p->shard_count)};
        for (size_t s = 0; s < p->shard_count && lm_ok(st); s++)
            begin_shard(p, s, st);
    }
    if (lm_ok(st))
        return p;
    pieces_free(p);
    return NULL;
}

bool lm_bundle_put_piece(lm_bundle_pieces *p, size_t i, const void *bytes, size_t n, lm_status *st)
{
    if (n > p->tensors[i].bytes - p->done[i] || i < p->current)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": more bytes than its shape has, or after its turn", p->w->name,
                       p->tensors[i].name);
    if (!p->shards)
        return step_stream(p, i, st) && put_into_stream(p, bytes, n, st);
    if (!put_at(&p->shards[p->of[i]], p->at[i] + p->done[i], bytes, n, st))
        return false;
    p->done[i] += n;
    return true;
}

bool lm_bundle_end_pieces(lm_bundle_pieces *p, lm_status *st)
{
    for (size_t i = 0; i < p->count && lm_ok(st); i++)
        if (p->done[i] != p->tensors[i].bytes)
            lm_fail(st, LM_FAILED, "%s: tensor \"%s\" is not complete", p->w->name, p->tensors[i].name);
    if (lm_ok(st) && !p->shards)
        step_stream(p, p->count, st);
    for (size_t s = 0; s < p->shard_count && lm_ok(st); s++)
        end_shard(p, &p->shards[s], st);
    if (lm_ok(st) && p->shard_count > 1)
        lm_bundle_put_shard_index(p->w, p->tensors, p->count, p->of, p->shard_count, st);
    pieces_free(p);
    return lm_ok(st);
}
