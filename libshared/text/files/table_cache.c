#include "text/files/table_cache.h"

#include "base/atomic.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/json.h"
#include "text/models/bpe.h"
#include "text/models/trie.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "tokenizer-"

/* An added token; the bytes of all of them stand one behind the other. */
typedef struct lm_kept_token {
    int32_t id;
    uint32_t len;
    uint8_t single_word, left_strip, right_strip, normalized, special, zero[3];
} lm_kept_token;

/* What a file holds, in this order. */
enum {
    BYTES, TOKENS, SLOTS,        /* the vocabulary */
    MERGES, SCORES,
    PAIRS, TAGS, MERGED, PAGES, CHARS, CROSSINGS, PARTS, LEAST, /* the index of merges */
    NODES, IDS, NUMBERS, NUMBER_PAGES,    /* the trie */
    ADDED, ADDED_BYTES,
    REST, ADDED_TEXT,            /* see lm_kept_tables */
    ARRAYS
};

static const size_t widths[ARRAYS] = {
    [BYTES] = 1, [TOKENS] = sizeof(lm_vocabulary_token), [SLOTS] = sizeof(lm_vocabulary_slot), [MERGES] = sizeof(lm_merge),
    [SCORES] = sizeof(double), [PAIRS] = sizeof(lm_merge_slot), [TAGS] = 1, [MERGED] = sizeof(int32_t), [PAGES] = sizeof(uint32_t),
    [CHARS] = LM_CHAR_PAGE * sizeof(int32_t), [CROSSINGS] = sizeof(uint64_t), [PARTS] = sizeof(lm_bpe_part),
    [LEAST] = LM_BYTE_PAIRS * sizeof(uint32_t),
    [NODES] = sizeof(lm_token_trie_node), [IDS] = sizeof(int32_t), [NUMBERS] = 256 * sizeof(uint32_t), [NUMBER_PAGES] = sizeof(uint16_t),
    [ADDED] = sizeof(lm_kept_token), [ADDED_BYTES] = 1, [REST] = 1, [ADDED_TEXT] = 1};

/* What a file begins with; the arrays follow, each from a multiple of ALIGNMENT on. The bytes of numbers are this machine's. The number
 * in `magic` is another one as soon as anything that is kept is made in another way: a hash, a digest, an order. */
typedef struct header {
    char magic[16];
    uint32_t order;  /* ORDER */
    uint32_t size;   /* ids of the vocabulary */
    uint64_t key[2]; /* of the tokenizer.json */
    uint64_t digest; /* XXH3-64 of all that follows it */
    uint64_t vocabulary, merges; /* digests of these */
    uint64_t lengths[ARRAYS];    /* in elements */
} header;

static const char magic[16] = "lmutils tables 5";
enum { ORDER = 0x01020304, ALIGNMENT = 64, DIGESTED = offsetof(header, vocabulary) };

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
    int count = 0, longest = 0;
    uint32_t bad = 0;
    uint64_t end = v->bytes.len;
#pragma omp simd reduction(+ : count) reduction(max : longest) reduction(| : bad)
    for (int id = 0; id < v->size; id++) {
        lm_vocabulary_token t = v->tokens[id];
        bad |= t.len < -1 || (t.len >= 0 && (uint64_t)t.start + (uint32_t)t.len > end);
        count += t.len >= 0;
        longest = t.len > longest ? t.len : longest;
    }
    v->count = count;
    v->longest = (size_t)longest;
    return !bad && lm_utf8_valid(v->bytes.data, v->bytes.len);
}

/* Looking one up ends at a free slot: there has to be one. */
static bool check_slots(const lm_vocabulary *v)
{
    uint32_t bad = 0, free = 0;
#pragma omp simd reduction(| : bad) reduction(| : free)
    for (size_t i = 0; i < v->slot_count; i++) {
        bad |= (uint32_t)v->slots[i].id + 1 > (uint32_t)v->size;
        free |= v->slots[i].id == -1;
    }
    return !bad && free && (v->slot_count & (v->slot_count - 1)) == 0;
}

/* Whether some of the tokens are found: they are not where hashes were once made in another way. */
static bool finds_tokens(const lm_vocabulary *v)
{
    enum { SOME = 64 };
    for (int k = 0; k < SOME; k++) {
        lm_str token = lm_vocabulary_get(v, (int)((int64_t)v->size * k / SOME));
        if (token.data && lm_vocabulary_find(v, token) < 0)
            return false;
    }
    return true;
}

static bool check_tables(lm_token_tables *t, size_t scores)
{
    uint32_t bad = 0, size = (uint32_t)t->vocabulary.size;
    if (!check_tokens(&t->vocabulary) || !check_slots(&t->vocabulary) || !finds_tokens(&t->vocabulary) || (scores && scores != size))
        return false;
#pragma omp simd reduction(| : bad)
    for (size_t i = 0; i < t->merge_count; i++)
        bad |= (uint32_t)t->merges[i].left >= size || (uint32_t)t->merges[i].right >= size;
    return !bad && (t->index.slots ? lm_merge_index_check(t) : !t->merge_count && !t->index.page_count && !t->index.crossings);
}

static void *array_at(const header *h, char *block, const size_t at[ARRAYS], int i)
{
    return h->lengths[i] ? block + at[i] : NULL;
}

static bool take_tables(const header *h, char *block, const size_t at[ARRAYS], lm_token_tables *t)
{
    size_t scores = (size_t)h->lengths[SCORES];
    t->vocabulary = (lm_vocabulary){.bytes = {block + at[BYTES], (size_t)h->lengths[BYTES], (size_t)h->lengths[BYTES]},
                                    .tokens = array_at(h, block, at, TOKENS),
                                    .size = (int)h->size,
                                    .cap = (int)h->size,
                                    .slots = array_at(h, block, at, SLOTS),
                                    .slot_count = (size_t)h->lengths[SLOTS]};
    t->merges = array_at(h, block, at, MERGES);
    t->merge_count = t->merge_cap = (size_t)h->lengths[MERGES];
    t->scores = array_at(h, block, at, SCORES);
    t->score_cap = scores;
    t->index = (lm_merge_index){.slots = array_at(h, block, at, PAIRS),
                                .tags = array_at(h, block, at, TAGS),
                                .slot_count = (size_t)h->lengths[PAIRS],
                                .merged = array_at(h, block, at, MERGED),
                                .merged_count = (size_t)h->lengths[MERGED],
                                .pages = array_at(h, block, at, PAGES),
                                .chars = array_at(h, block, at, CHARS),
                                .page_count = (size_t)h->lengths[PAGES],
                                .crossings = array_at(h, block, at, CROSSINGS),
                                .crossing_count = (size_t)h->lengths[CROSSINGS],
                                .parts = array_at(h, block, at, PARTS),
                                .part_count = (size_t)h->lengths[PARTS],
                                .least = array_at(h, block, at, LEAST),
                                .digest = h->merges};
    return check_tables(t, scores);
}

/* Whether there is none, or a right one. */
static bool take_trie(const header *h, char *block, const size_t at[ARRAYS], lm_token_tables *t)
{
    if (!h->lengths[NODES])
        return !h->lengths[IDS] && !h->lengths[NUMBERS] && !h->lengths[NUMBER_PAGES];
    lm_token_trie trie = {.nodes = array_at(h, block, at, NODES),
                          .ids = array_at(h, block, at, IDS),
                          .numbers = array_at(h, block, at, NUMBERS),
                          .places = (size_t)h->lengths[NODES]};
    if (h->lengths[IDS] != h->lengths[NODES] || h->lengths[NUMBER_PAGES] != sizeof trie.pages / sizeof *trie.pages)
        return false;
    memcpy(trie.pages, block + at[NUMBER_PAGES], sizeof trie.pages);
    if (!lm_token_trie_check(&trie, (size_t)h->lengths[NUMBERS], (uint32_t)t->vocabulary.size))
        return false;
    t->trie = lm_malloc(1, sizeof trie);
    *t->trie = trie;
    return true;
}

static bool take_added(const lm_kept_token *tokens, size_t n, lm_str bytes, lm_added_tokens *added)
{
    lm_status ignored = LM_STATUS_INIT;
    for (size_t i = 0; i < n; i++) {
        const lm_kept_token *t = &tokens[i];
        size_t len = t->len;
        if (len == 0 || len > bytes.len || (i && t->id <= tokens[i - 1].id))
            return false;
        lm_added_token flags = {t->id, t->single_word, t->left_strip, t->right_strip, t->normalized, t->special};
        if (!lm_added_tokens_add(added, (lm_str){bytes.data, len}, t->id, flags, &ignored))
            return false;
        bytes = (lm_str){bytes.data + len, bytes.len - len};
    }
    return bytes.len == 0;
}

bool lm_table_cache_parse(lm_map file, const uint64_t key[2], lm_kept_tables *kept)
{
    header h;
    size_t at[ARRAYS];
    char *block = (char *)(uintptr_t)file.bytes; /* nothing is written to what has a block */
    *kept = (lm_kept_tables){0};
    if (file.size < sizeof h)
        return false;
    memcpy(&h, block, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.order != ORDER || h.key[0] != key[0] || h.key[1] != key[1] ||
        h.size > LM_MAX_TOKEN_ID + 1 || h.lengths[TOKENS] != h.size || h.lengths[BYTES] > UINT32_MAX ||
        h.lengths[TAGS] != h.lengths[PAIRS] || h.lengths[CHARS] != h.lengths[PAGES] || h.lengths[LEAST] != (h.lengths[PARTS] > 0) ||
        (h.lengths[ADDED] && !h.lengths[ADDED_TEXT]) ||
        !lay_out(&h, file.size, at) || h.digest != XXH3_64bits(block + DIGESTED, file.size - DIGESTED))
        return false;
    lm_str text = {block + at[ADDED_TEXT], (size_t)h.lengths[ADDED_TEXT]},
           bytes = {block + at[ADDED_BYTES], (size_t)h.lengths[ADDED_BYTES]};
    if (!take_tables(&h, block, at, &kept->tables) || !lm_utf8_valid(bytes.data, bytes.len) ||
        !take_trie(&h, block, at, &kept->tables) || !lm_bpe_parts_check(&kept->tables) ||
        !take_added((const lm_kept_token *)(const void *)(block + at[ADDED]), (size_t)h.lengths[ADDED], bytes, &kept->added)) {
        lm_added_tokens_free(&kept->added);
        free(kept->tables.trie);
        *kept = (lm_kept_tables){0};
        return false;
    }
    kept->tables.block = file;
    kept->digest = h.vocabulary;
    kept->rest = (lm_str){block + at[REST], (size_t)h.lengths[REST]};
    kept->added_text = text.len ? text : (lm_str){NULL, 0};
    return true;
}

/* ---------------------------------------------------------------- how it is made */

static void put_added(const lm_added_tokens *a, lm_buf *tokens, lm_buf *bytes)
{
    for (size_t i = 0; i < a->count; i++) {
        const lm_added_token *t = &a->items[i];
        lm_str content = lm_vocabulary_get(&a->vocabulary, t->id);
        lm_kept_token kept = {t->id, (uint32_t)content.len, t->single_word, t->left_strip, t->right_strip, t->normalized, t->special, {0}};
        lm_buf_append(tokens, &kept, sizeof kept);
        lm_buf_append(bytes, content.data, content.len);
    }
}

/* What is in free slots is nothing. */
static void put_pairs(const lm_merge_index *index, lm_buf *out)
{
    const lm_merge_slot none = lm_merge_slot_of(LM_NO_TOKEN, LM_NO_TOKEN, 0);
    for (size_t i = 0; i < index->slot_count; i++)
        lm_buf_append(out, index->tags[i] ? &index->slots[i] : &none, sizeof none);
}

void lm_table_cache_print(const uint64_t key[2], const lm_tokenizer *t, lm_str rest, lm_buf *out)
{
    static const char zeros[ALIGNMENT];
    const lm_token_tables *tables = &t->model.tables;
    const lm_vocabulary *v = &tables->vocabulary;
    const lm_merge_index *index = &tables->index;
    static const lm_token_trie none;
    const lm_token_trie *trie = tables->trie ? tables->trie : &none;
    size_t size = (size_t)v->size, begin = out->len;
    lm_buf without = {0}, tokens = {0}, bytes = {0}, pairs = {0};
    lm_str added_text = {NULL, 0};
    if (lm_json_set_aside(rest, lm_str_of("added_tokens"), &without, &added_text)) {
        rest = lm_buf_str(&without);
        put_added(&t->added, &tokens, &bytes);
    }
    put_pairs(index, &pairs);
    header h = {.order = ORDER, .size = (uint32_t)size, .key = {key[0], key[1]}, .vocabulary = t->digest, .merges = index->digest,
                .lengths = {[BYTES] = v->bytes.len, [TOKENS] = size, [SLOTS] = v->slot_count, [MERGES] = tables->merge_count,
                            [SCORES] = tables->scores ? size : 0, [PAIRS] = index->slot_count, [TAGS] = index->slot_count,
                            [MERGED] = index->merged_count, [PAGES] = index->page_count, [CHARS] = index->page_count,
                            [CROSSINGS] = index->crossing_count, [PARTS] = index->part_count, [LEAST] = index->part_count > 0,
                            [NODES] = trie->places, [IDS] = trie->places,
                            [NUMBERS] = trie->places ? lm_token_trie_pages(trie) : 0,
                            [NUMBER_PAGES] = trie->places ? sizeof trie->pages / sizeof *trie->pages : 0,
                            [ADDED] = tokens.len / sizeof(lm_kept_token), [ADDED_BYTES] = bytes.len, [REST] = rest.len,
                            [ADDED_TEXT] = added_text.len}};
    const void *arrays[ARRAYS] = {
        [BYTES] = v->bytes.data, [TOKENS] = v->tokens, [SLOTS] = v->slots, [MERGES] = tables->merges, [SCORES] = tables->scores,
        [PAIRS] = pairs.data, [TAGS] = index->tags, [MERGED] = index->merged, [PAGES] = index->pages, [CHARS] = index->chars,
        [CROSSINGS] = index->crossings, [PARTS] = index->parts, [LEAST] = index->least, [NODES] = trie->nodes, [IDS] = trie->ids,
        [NUMBERS] = trie->numbers, [NUMBER_PAGES] = trie->pages, [ADDED] = tokens.data, [ADDED_BYTES] = bytes.data, [REST] = rest.data,
        [ADDED_TEXT] = added_text.data};
    memcpy(h.magic, magic, sizeof magic);
    lm_buf_append(out, &h, sizeof h);
    for (int i = 0; i < ARRAYS; i++) {
        lm_buf_append(out, zeros, (ALIGNMENT - (out->len - begin) % ALIGNMENT) % ALIGNMENT);
        lm_buf_append(out, arrays[i], (size_t)h.lengths[i] * widths[i]);
    }
    h.digest = XXH3_64bits(out->data + begin + DIGESTED, out->len - begin - DIGESTED);
    memcpy(out->data + begin, &h, sizeof h);
    lm_buf_free(&without);
    lm_buf_free(&tokens);
    lm_buf_free(&bytes);
    lm_buf_free(&pairs);
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

bool lm_table_cache_read(const lm_table_cache *c, lm_kept_tables *kept)
{
    int fd = c->path ? open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    struct stat s;
    lm_map map = {0};
    lm_status ignored = LM_STATUS_INIT;
    if (fd < 0)
        return false;
    /* the user's own, and nobody else may have written it; what is there is replaced, never changed */
    bool ok = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() && !(s.st_mode & (S_IWGRP | S_IWOTH)) &&
              lm_map_fd(fd, c->path, &map, &ignored) && lm_table_cache_parse(map, c->key, kept);
    if (!ok)
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

void lm_table_cache_write(const lm_table_cache *c, const lm_tokenizer *t, lm_str rest)
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
