#include "text/files/table_cache.h"

#include "base/atomic.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "tokenizer-"

/* What a file begins with; the arrays follow in the order of ARRAYS, each from a multiple of ALIGNMENT on. The bytes of numbers
 * are this machine's. */
typedef struct header {
    char magic[16];
    uint32_t order;    /* ORDER */
    uint32_t size;     /* ids of the vocabulary */
    uint64_t key[2];   /* of the tokenizer.json */
    uint64_t digest;   /* XXH3-64 of all that follows it */
    uint64_t lengths[6]; /* of the arrays, in elements */
} header;

static const char magic[16] = "lmutils tables 1";
enum { ORDER = 0x01020304, ALIGNMENT = 64, ARRAYS = 6 };
static const size_t widths[ARRAYS] = {1, sizeof(lm_vocabulary_token), sizeof(lm_vocabulary_slot), sizeof(lm_merge), sizeof(double), 1};

static uint64_t digest_of(lm_str file)
{
    return XXH3_64bits(file.data + offsetof(header, lengths), file.len - offsetof(header, lengths));
}

/* Where array i lies; false: they do not fit into `size` bytes, or there are more than these. */
static bool lay_out(const header *h, size_t size, size_t at[ARRAYS])
{
    size_t end = sizeof *h, bytes;
    for (int i = 0; i < ARRAYS; i++) {
        size_t gap = (ALIGNMENT - end % ALIGNMENT) % ALIGNMENT;
        if (!lm_add_size(end, gap, &at[i]) || !lm_mul((size_t)h->lengths[i], widths[i], &bytes) || !lm_add_size(at[i], bytes, &end) ||
            end > size)
            return false;
    }
    return end == size;
}

/* ---------------------------------------------------------------- what is in it */

static bool check_tokens(lm_vocabulary *v)
{
    v->count = 0;
    v->longest = 0;
    for (int id = 0; id < v->size; id++) {
        lm_vocabulary_token t = v->tokens[id];
        if (t.len < -1 || (t.len >= 0 && (uint64_t)t.start + (uint32_t)t.len > v->bytes.len))
            return false;
        v->count += t.len >= 0;
        if (t.len > 0 && (size_t)t.len > v->longest)
            v->longest = (size_t)t.len;
    }
    return lm_utf8_valid(v->bytes.data, v->bytes.len);
}

static bool is_token(const lm_vocabulary *v, int32_t id)
{
    return id >= 0 && id < v->size && v->tokens[id].len >= 0;
}

/* Looking one up ends at a free slot: there has to be one. */
static bool check_slots(const lm_vocabulary *v)
{
    size_t used = 0;
    for (size_t i = 0; i < v->slot_count; i++) {
        if (v->slots[i].id != -1 && !is_token(v, v->slots[i].id))
            return false;
        used += v->slots[i].id != -1;
    }
    return used < v->slot_count && (v->slot_count & (v->slot_count - 1)) == 0;
}

static bool check_tables(lm_token_tables *t, size_t scores)
{
    if (!check_tokens(&t->vocabulary) || !check_slots(&t->vocabulary) || (scores && scores != (size_t)t->vocabulary.size))
        return false;
    for (size_t i = 0; i < t->merge_count; i++)
        if (!is_token(&t->vocabulary, t->merges[i].left) || !is_token(&t->vocabulary, t->merges[i].right))
            return false;
    return true;
}

/* A copy of array i, with room for one more byte. */
static void *copy_of(const header *h, const char *file, const size_t at[ARRAYS], int i)
{
    size_t bytes = (size_t)h->lengths[i] * widths[i]; /* of which the file has as many */
    return memcpy(lm_malloc_table(bytes + 1, 1), file + at[i], bytes);
}

static bool take_tables(const header *h, const char *file, const size_t at[ARRAYS], lm_token_tables *t)
{
    lm_vocabulary *v = &t->vocabulary;
    v->bytes = (lm_buf){copy_of(h, file, at, 0), (size_t)h->lengths[0], (size_t)h->lengths[0] + 1};
    v->tokens = copy_of(h, file, at, 1);
    v->size = v->cap = (int)h->size;
    v->slots = copy_of(h, file, at, 2);
    v->slot_count = (size_t)h->lengths[2];
    t->merges = h->lengths[3] ? copy_of(h, file, at, 3) : NULL;
    t->merge_count = t->merge_cap = (size_t)h->lengths[3];
    t->scores = h->lengths[4] ? copy_of(h, file, at, 4) : NULL;
    t->score_cap = (size_t)h->lengths[4];
    return check_tables(t, t->score_cap);
}

bool lm_table_cache_parse(lm_str bytes, const uint64_t key[2], lm_token_tables *t, lm_buf *rest)
{
    header h;
    size_t at[ARRAYS];
    if (bytes.len < sizeof h)
        return false;
    memcpy(&h, bytes.data, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.order != ORDER || h.key[0] != key[0] || h.key[1] != key[1] ||
        h.size > LM_MAX_TOKEN_ID + 1 || h.lengths[1] != h.size || h.lengths[0] > UINT32_MAX || !lay_out(&h, bytes.len, at) ||
        h.digest != digest_of(bytes))
        return false;
    if (!take_tables(&h, bytes.data, at, t)) {
        lm_token_tables_free(t);
        return false;
    }
    lm_buf_append(rest, bytes.data + at[5], (size_t)h.lengths[5]);
    return true;
}

void lm_table_cache_print(const uint64_t key[2], const lm_token_tables *t, lm_str rest, lm_buf *out)
{
    static const char zeros[ALIGNMENT];
    const lm_vocabulary *v = &t->vocabulary;
    size_t size = (size_t)v->size, begin = out->len;
    header h = {.order = ORDER, .size = (uint32_t)size, .key = {key[0], key[1]},
                .lengths = {v->bytes.len, size, v->slot_count, t->merge_count, t->scores ? size : 0, rest.len}};
    const void *arrays[ARRAYS] = {v->bytes.data, v->tokens, v->slots, t->merges, t->scores, rest.data};
    memcpy(h.magic, magic, sizeof magic);
    lm_buf_append(out, &h, sizeof h);
    for (int i = 0; i < ARRAYS; i++) {
        lm_buf_append(out, zeros, (ALIGNMENT - (out->len - begin) % ALIGNMENT) % ALIGNMENT);
        lm_buf_append(out, arrays[i], (size_t)h.lengths[i] * widths[i]);
    }
    h.digest = digest_of((lm_str){out->data + begin, out->len - begin});
    memcpy(out->data + begin, &h, sizeof h);
}

/* ---------------------------------------------------------------- where it is */

/* The directory; NULL: none. With `make` it is made, too. */
static char *find_directory(bool make)
{
    const char *own = getenv("LMUTILS_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && !*own)
        return NULL;
    bool absolute = xdg && *xdg == '/'; /* others count as not set: the XDG base directory specification */
    if (!own && !absolute && !(home && *home == '/'))
        return NULL;
    char *base = own ? lm_strdup(own) : absolute ? lm_strdup(xdg) : lm_format("%s/.cache", home);
    if (make)
        mkdir(base, 0700);
    if (own)
        return base;
    char *directory = lm_format("%s/lmutils", base);
    free(base);
    if (make)
        mkdir(directory, 0700);
    return directory;
}

void lm_table_cache_find(lm_table_cache *c, lm_str json)
{
    *c = (lm_table_cache){0};
    c->directory = json.len < LM_TABLE_CACHE_LEAST ? NULL : find_directory(false);
    if (!c->directory)
        return;
    XXH128_hash_t key = XXH3_128bits(json.data, json.len);
    c->key[0] = key.low64;
    c->key[1] = key.high64;
    c->path = lm_format("%s/" PREFIX "%016llx%016llx", c->directory, (unsigned long long)key.high64, (unsigned long long)key.low64);
}

void lm_table_cache_free(lm_table_cache *c)
{
    free(c->directory);
    free(c->path);
    *c = (lm_table_cache){0};
}

bool lm_table_cache_read(const lm_table_cache *c, lm_token_tables *t, lm_buf *rest)
{
    int fd = c->path ? open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    struct stat s;
    lm_map map = {0};
    lm_status ignored = LM_STATUS_INIT;
    if (fd < 0)
        return false;
    /* the user's own, and nobody else may have written it */
    bool ok = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() && !(s.st_mode & (S_IWGRP | S_IWOTH)) &&
              lm_map_fd(fd, c->path, &map, &ignored) && lm_table_cache_parse((lm_str){map.bytes, map.size}, c->key, t, rest);
    lm_map_close(&map);
    close(fd);
    return ok;
}

/* Of more files than are kept the oldest goes, and what a process that was killed has left. */
static void thin_out(const char *directory)
{
    DIR *d = opendir(directory);
    char *oldest = NULL;
    struct timespec when = {0};
    size_t count = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat s;
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 || fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        count++;
        if (!oldest || s.st_mtim.tv_sec < when.tv_sec || (s.st_mtim.tv_sec == when.tv_sec && s.st_mtim.tv_nsec < when.tv_nsec)) {
            free(oldest);
            oldest = lm_strdup(e->d_name);
            when = s.st_mtim;
        }
    }
    if (count > LM_TABLE_CACHE_FILES)
        unlinkat(dirfd(d), oldest, 0);
    free(oldest);
    if (d)
        closedir(d);
}

void lm_table_cache_write(const lm_table_cache *c, const lm_token_tables *t, lm_str rest)
{
    if (!c->path)
        return;
    lm_buf bytes = {0};
    lm_status ignored = LM_STATUS_INIT;
    char *directory = find_directory(true), *beside = lm_format("%s/" PREFIX "XXXXXX", c->directory);
    int fd = mkostemp(beside, O_CLOEXEC); /* which nobody else can read or write */
    if (fd >= 0) {
        lm_table_cache_print(c->key, t, rest, &bytes);
        /* not synced: of a file that a crash has cut the digest is wrong */
        bool ok = lm_write_all(fd, bytes.data, bytes.len, beside, &ignored);
        ok = close(fd) == 0 && ok;
        if (!ok || rename(beside, c->path) != 0)
            unlink(beside);
        thin_out(c->directory);
    }
    lm_buf_free(&bytes);
    free(beside);
    free(directory);
}
