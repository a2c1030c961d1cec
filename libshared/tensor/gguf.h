/* GGUF files: metadata and the table of tensors, by mmap. The format, versions 2 and 3 (ggml, docs/gguf.md):
 * the magic "GGUF", the version, the numbers of tensors and of metadata entries; entries of a key, a type and
 * a value; tensors of a name, dimensions, a type and an offset; then, at the next multiple of
 * general.alignment, their bytes. Integers are little-endian, strings a u64 length and UTF-8.
 *
 * Everything is checked at opening, and what is returned lies in the file. Slices and pointers are valid
 * until it is closed. */
#ifndef LM_TENSOR_GGUF_H
#define LM_TENSOR_GGUF_H

#include "base/status.h"
#include "tensor/dtype.h"

typedef enum lm_gguf_type { /* the numbers are those of the format */
                            LM_GGUF_U8,
                            LM_GGUF_I8,
                            LM_GGUF_U16,
                            LM_GGUF_I16,
                            LM_GGUF_U32,
                            LM_GGUF_I32,
                            LM_GGUF_F32,
                            LM_GGUF_BOOL,
                            LM_GGUF_STRING,
                            LM_GGUF_ARRAY,
                            LM_GGUF_U64,
                            LM_GGUF_I64,
                            LM_GGUF_F64,
                            LM_GGUF_TYPES
} lm_gguf_type;

enum { LM_GGUF_DIMS = 4 }; /* of a tensor, at most */

typedef struct lm_gguf_entry {
    lm_str key;
    lm_gguf_type type; /* of the value, or of the elements of an array */
    bool array;
    size_t count;              /* elements of an array; 1 for a single value */
    const unsigned char *data; /* unaligned; of strings, the first one's length */
} lm_gguf_entry;

typedef struct lm_gguf_tensor {
    lm_str name;
    uint32_t type;  /* as ggml numbers it */
    lm_dtype dtype; /* LM_DTYPE_COUNT for a type that is not in dtype.h; bytes is 0 then */
    lm_shape shape; /* outermost dimension first (the file has it the other way) */
    const void *data;
    size_t bytes;
} lm_gguf_tensor;

typedef struct lm_gguf lm_gguf;

/* Maps `path` read-only. NULL on failure. */
lm_gguf *lm_gguf_open(const char *path, lm_status *st);
/* The same over bytes that the caller keeps alive; `name` is for messages. */
lm_gguf *lm_gguf_from_memory(const void *bytes, size_t size, const char *name, lm_status *st);
void lm_gguf_close(lm_gguf *f);
/* The tensors of a file, as it was opened, become tensors of f, behind its own: of a model that is cut into several. The file is
 * f's from then on, also where this fails: for a tensor that is in both. */
bool lm_gguf_add_part(lm_gguf *f, lm_gguf *part, lm_status *st);
const char *lm_gguf_name(const lm_gguf *f); /* for messages */

size_t lm_gguf_entries(const lm_gguf *f);
const lm_gguf_entry *lm_gguf_entry_at(const lm_gguf *f, size_t i);          /* in the order of the file */
const lm_gguf_entry *lm_gguf_entry_find(const lm_gguf *f, const char *key); /* NULL if absent */
size_t lm_gguf_tensors(const lm_gguf *f);
const lm_gguf_tensor *lm_gguf_tensor_at(const lm_gguf *f, size_t i);           /* in the order of the file */
const lm_gguf_tensor *lm_gguf_tensor_find(const lm_gguf *f, const char *name); /* NULL if absent */

/* Single values. An absent key leaves *out as it is, and is no failure; a value of another kind fails.
 * Integers are taken from every integer type, numbers from every number type. */
bool lm_gguf_int(const lm_gguf *f, const char *key, int64_t *out, lm_status *st);
bool lm_gguf_number(const lm_gguf *f, const char *key, double *out, lm_status *st);
bool lm_gguf_bool(const lm_gguf *f, const char *key, bool *out, lm_status *st);
bool lm_gguf_string(const lm_gguf *f, const char *key, lm_str *out, lm_status *st);

/* Arrays. NULL where the key is absent, and, with a failed status, where it is no array of that kind:
 * strings, or numbers of any type. */
const lm_gguf_entry *lm_gguf_strings(const lm_gguf *f, const char *key, lm_status *st);
const lm_gguf_entry *lm_gguf_numbers(const lm_gguf *f, const char *key, lm_status *st);
/* The string at *at, which moves to the one behind it; begin with entry->data, and stop after entry->count.
 */
lm_str lm_gguf_next_string(const unsigned char **at);
double lm_gguf_number_at(const lm_gguf_entry *entry, size_t i); /* integers beyond 2^53 are rounded */

/* Bytes of a value of that type; 0 for strings and arrays. */
size_t lm_gguf_value_bytes(lm_gguf_type type);
/* ggml's number of a type; false where ggml does not have it. */
bool lm_gguf_type_number(lm_dtype t, uint32_t *number);

#endif
