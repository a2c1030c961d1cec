/* Writing GGUF files, version 3 (tensor/gguf.h says what one is): first everything is said that the header holds, then the
 * header goes out, then the tensors' bytes, in their order. Nothing is looked at twice, so that a file can go into a pipe, and
 * its size is known before the first byte. */
#ifndef LM_TENSOR_GGUF_WRITE_H
#define LM_TENSOR_GGUF_WRITE_H

#include "tensor/gguf.h"
#include "tensor/safetensors.h"

enum { LM_GGUF_NAME_MAX = 63 }; /* bytes of a tensor's name (GGML_MAX_NAME, less its NUL) */

typedef struct lm_gguf_writer lm_gguf_writer;

/* `name` is for messages. What cannot be written (a key or a tensor twice, a name too long) fails in lm_gguf_write_header. */
lm_gguf_writer *lm_gguf_writer_new(const char *name);
void lm_gguf_writer_free(lm_gguf_writer *w);

/* Metadata, in the order in which it is said. Strings are copied; they need not be UTF-8. */
void lm_gguf_put_string(lm_gguf_writer *w, const char *key, lm_str value);
void lm_gguf_put_u32(lm_gguf_writer *w, const char *key, uint32_t value);
void lm_gguf_put_i32(lm_gguf_writer *w, const char *key, int32_t value);
void lm_gguf_put_u64(lm_gguf_writer *w, const char *key, uint64_t value);
void lm_gguf_put_f32(lm_gguf_writer *w, const char *key, float value);
void lm_gguf_put_bool(lm_gguf_writer *w, const char *key, bool value);
/* An array of n numbers (a type but LM_GGUF_STRING and LM_GGUF_ARRAY), as they lie in memory. */
void lm_gguf_put_numbers(lm_gguf_writer *w, const char *key, lm_gguf_type type, const void *values, size_t n);
/* An array of n strings, each of which is then given. */
void lm_gguf_put_strings(lm_gguf_writer *w, const char *key, size_t n);
void lm_gguf_put_next(lm_gguf_writer *w, lm_str value);
/* An entry of another file, as it stands there; but general.alignment becomes that of this one. */
void lm_gguf_put_entry(lm_gguf_writer *w, const lm_gguf_entry *entry);

/* The next tensor: its shape has the outermost dimension first. Of a type that the format does not have (U8, BOOL, NF4
 * ...), or with a row that is not whole blocks, the header fails. Tensors follow one another at multiples of 32 bytes. */
void lm_gguf_put_tensor(lm_gguf_writer *w, const char *name, lm_dtype type, const lm_shape *shape);

/* Bytes of the whole file. */
uint64_t lm_gguf_file_size(const lm_gguf_writer *w);

/* The header, padding included. Then the bytes of the tensors, one after another, in pieces of any size: padding between
 * tensors is added. lm_gguf_write_end checks that nothing is missing, and pads the last. The first failure of the sink ends it. */
bool lm_gguf_write_header(lm_gguf_writer *w, lm_bytes_sink sink, void *context, lm_status *st);
bool lm_gguf_write_data(lm_gguf_writer *w, const void *bytes, size_t n, lm_status *st);
bool lm_gguf_write_end(lm_gguf_writer *w, lm_status *st);

#endif
