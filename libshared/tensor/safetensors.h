/* safetensors files: read by mmap, written whole. The format: a little-endian u64 header length, a JSON
 * header
 * ({"NAME":{"dtype","shape","data_offsets":[begin,end]},...,"__metadata__":{string:string}}), then the bytes;
 * offsets are contiguous, without hole or overlap, and end with the file (huggingface/safetensors, README).
 * Everything is checked before it is used; a header above 100 MB is refused. */
#ifndef LM_TENSOR_SAFETENSORS_H
#define LM_TENSOR_SAFETENSORS_H

#include "base/status.h"
#include "tensor/dtype.h"

typedef struct lm_safetensor {
    const char *name; /* owned by the file */
    lm_dtype dtype;
    lm_shape shape;
    const void *data; /* in the map; alignment not promised */
    size_t bytes;
    /* For writing: data is of the type `from`, and becomes `dtype`, of which `bytes` are, as it is written. */
    bool converted;
    lm_dtype from;
} lm_safetensor;

typedef struct lm_safetensors lm_safetensors;

/* Maps `path` read-only. NULL on failure. */
lm_safetensors *lm_safetensors_open(const char *path, lm_status *st);
/* The same over bytes that the caller keeps alive (tests, fuzzers, archives); `name` is for messages. */
lm_safetensors *lm_safetensors_from_memory(const void *bytes, size_t size, const char *name, lm_status *st);
void lm_safetensors_close(lm_safetensors *f);

size_t lm_safetensors_count(const lm_safetensors *f);
const lm_safetensor *lm_safetensors_at(const lm_safetensors *f, size_t i); /* in the order of their bytes */
const lm_safetensor *lm_safetensors_find(const lm_safetensors *f, const char *name); /* NULL if absent */
const char *lm_safetensors_metadata(const lm_safetensors *f, const char *key);       /* NULL if absent */

/* Writes the tensors, header first: ordered as the Rust crate does (by descending element size, then by name), with
 * __metadata__ {"format":"pt"}, data aligned to 8 bytes. The entries are not changed. `name` is for messages. */
bool lm_safetensors_write(int fd, const char *name, const lm_safetensor *tensors, size_t count,
                          lm_status *st);
/* The same to anything that takes bytes, which may have to know beforehand how many will come. */
typedef bool (*lm_bytes_sink)(void *context, const void *bytes, size_t n, lm_status *st);
bool lm_safetensors_write_to(lm_bytes_sink sink, void *context, const char *name, const lm_safetensor *tensors,
                             size_t count, lm_status *st);
bool lm_safetensors_file_size(const char *name, const lm_safetensor *tensors, size_t count, uint64_t *size,
                              lm_status *st);
/* What stands before the first tensor's bytes in that file, and where each tensor's begin: at [count]. */
bool lm_safetensors_lay_out(const char *name, const lm_safetensor *tensors, size_t count, lm_buf *head, uint64_t *at,
                            lm_status *st);
/* Elements [first, first + n) of a tensor that is converted, as they are written. A finite value that the type cannot
 * hold fails. */
bool lm_safetensor_convert(const lm_safetensor *t, size_t first, size_t n, void *out, lm_status *st);

#endif
