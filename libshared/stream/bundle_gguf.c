/* GGUF files as bundles; of one that is cut the other files, too (NAME-00002-of-00003.gguf: llama.cpp, llama_split_path). */
#include "stream/bundle_internal.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 99999 }; /* what five digits hold */

typedef struct cut {
    int64_t number, count, tensors; /* of this file, from 0; of files; of tensors in all */
} cut;

static bool read_cut(const lm_gguf *f, cut *c, lm_status *st)
{
    *c = (cut){.count = 1, .tensors = -1};
    return lm_gguf_int(f, "split.no", &c->number, st) && lm_gguf_int(f, "split.count", &c->count, st) &&
           lm_gguf_int(f, "split.tensors.count", &c->tensors, st);
}

/* Where part `number` is, beside the first; NULL where that has not the name of one. */
static char *path_of(const lm_bundle *b, int64_t number, int64_t count)
{
    char *end = lm_format("-00001-of-%05" PRId64 ".gguf", count), *path = NULL;
    size_t n = strlen(b->path), m = strlen(end);
    if (n >= m && strcmp(b->path + n - m, end) == 0)
        path = lm_format("%.*s-%05" PRId64 "-of-%05" PRId64 ".gguf", (int)(n - m), b->path, number + 1, count);
    free(end);
    return path;
}

static bool add_part(lm_bundle *b, int64_t number, int64_t count, lm_status *st)
{
    char *path = path_of(b, number, count);
    if (!path)
        return lm_fail(st, LM_FAILED, "%s: is the first of %" PRId64 " files, which are found by a name that ends in -00001-of-%05"
                       PRId64 ".gguf: give it that name", b->name, count, count);
    cut c;
    lm_gguf *part = lm_gguf_open(path, st);
    if (part && read_cut(part, &c, st) && (c.number != number || c.count != count))
        lm_fail(st, LM_FAILED, "%s: says that it is number %" PRId64 " of %" PRId64 ": it is of another model", path, c.number + 1,
                c.count);
    free(path);
    if (part && lm_ok(st))
        return lm_gguf_add_part(b->gguf, part, st);
    lm_gguf_close(part);
    return false;
}

bool lm_bundle_read_gguf(lm_bundle *b, lm_status *st)
{
    cut c;
    if (!lm_map_fd(b->fd, b->name, &b->whole, st))
        return false;
    b->gguf = lm_gguf_from_memory(b->whole.bytes, b->whole.size, b->name, st);
    if (!b->gguf || !read_cut(b->gguf, &c, st))
        return false;
    if (c.count < 1 || c.count > PARTS_MAX)
        return lm_fail(st, LM_FAILED, "%s: split.count: %" PRId64 " files are none: it is damaged", b->name, c.count);
    if (c.number != 0)
        return lm_fail(st, LM_FAILED, "%s: is number %" PRId64 " of %" PRId64 " files of a model: name the first", b->name,
                       c.number + 1, c.count);
    for (int64_t i = 1; i < c.count; i++)
        if (!add_part(b, i, c.count, st))
            return false;
    if (c.count > 1 && c.tensors >= 0 && (uint64_t)c.tensors != lm_gguf_tensors(b->gguf))
        return lm_fail(st, LM_FAILED, "%s: has %zu tensors in all its files, where it says %" PRId64 ": one of them is of another "
                       "model", b->name, lm_gguf_tensors(b->gguf), c.tensors);
    return true;
}
