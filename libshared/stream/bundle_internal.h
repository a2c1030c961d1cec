/* Inside the bundle: what its readers fill. */
#ifndef LM_STREAM_BUNDLE_INTERNAL_H
#define LM_STREAM_BUNDLE_INTERNAL_H

#include "stream/bundle.h"
#include "stream/input.h"

#include <sys/stat.h>

enum {
    LM_BUNDLE_FILES_MAX = 10000,      /* members of an archive, files of a stream */
    LM_BUNDLE_NAME_MAX = 4096,
    LM_BUNDLE_SMALL_MAX = 16 << 20,   /* a file of at most so many bytes that is no weights is kept in memory, ... */
    LM_BUNDLE_KEPT_MAX = 256 << 20    /* ... of all together so many */
};

/* Bytes without a name on the disk: filled, then mapped. */
typedef struct lm_store {
    int fd;
    char *name; /* for messages; NULL = there is no file yet */
    uint64_t size;
    lm_map map;
} lm_store;

#define LM_STORE_INIT {.fd = -1}

/* Room for n bytes at *at, aligned to 64; fails where the disk has not so much. */
bool lm_store_reserve(lm_store *s, uint64_t n, uint64_t *at, lm_status *st);
bool lm_store_write(lm_store *s, uint64_t at, const void *bytes, size_t n, lm_status *st);
bool lm_store_map(lm_store *s, lm_status *st); /* all that is in it, into s->map */
void lm_store_close(lm_store *s);

typedef struct lm_bundle_entry {
    char *name;        /* relative to the bundle's root */
    uint64_t size;
    const char *bytes; /* NULL: not loaded (or of size 0) */
    bool owned;        /* bytes are malloced */
    bool loaded;
} lm_bundle_entry;

/* b->fd, and the files beside it that it goes on in, into b->gguf. */
bool lm_bundle_read_gguf(lm_bundle *b, lm_status *st);

struct lm_bundle {
    int references;
    char *path;   /* as it was given */
    char *name;   /* for messages */
    char *directory; /* its path, with a final slash ("" for files of no directory); NULL: it is none */
    struct stat was; /* of the file, to know it again */
    int fd;       /* of an archive or a stream */
    lm_map whole; /* of fd, where something is used in place */
    lm_store *stores; /* one for each reading that unpacked something */
    size_t store_count;
    uint64_t kept;    /* bytes of files in memory */
    lm_bundle_entry *entries; /* of a directory, those that are mapped */
    size_t count, cap;
    lm_map *maps; /* of a directory, beside entries */
    lm_gguf *gguf; /* all of it, in `whole` */
    bool stream;
    json_t *via;
    json_t *index; /* of a stream: names, dtypes and shapes of its tensors */
    lm_safetensor *tensors;
    size_t tensor_count;
    struct lm_bundle_reading *coming; /* what is read forward; NULL: all is there */
    struct lm_bundle *next;
};

/* A new one, valid until the next is asked for. */
lm_store *lm_bundle_new_store(lm_bundle *b);
/* Adds a file, whose name is checked: relative, without `..`, and not there yet. NULL and a failed status. */
lm_bundle_entry *lm_bundle_add(lm_bundle *b, const char *name, uint64_t size, lm_status *st);
lm_bundle_entry *lm_bundle_find(const lm_bundle *b, const char *name);

/* The members of an archive: what is small, and what can be mapped. */
bool lm_bundle_list_archive(lm_bundle *b, lm_status *st);
/* A member that was left; with one file of weights, all of them. */
bool lm_bundle_load_archive(lm_bundle *b, const char *name, lm_status *st);
bool lm_bundle_is_safetensors(const char *name);
/* All of a model stream. in_place: `in` is the plain file b->fd. */
bool lm_bundle_read_stream(lm_bundle *b, lm_input *in, bool in_place, lm_status *st);
/* What is before the tensors, which come by lm_bundle_bring. Takes `in` over. */
bool lm_bundle_begin_stream(lm_bundle *b, lm_input *in, lm_status *st);
void lm_bundle_end_coming(lm_bundle *b);

#endif
