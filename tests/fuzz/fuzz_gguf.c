/* Any bytes as a GGUF file: what is accepted lies in the file, every entry and tensor, and the vocabulary in
 * it is refused or usable. */
#include "base/log.h"
#include "text/files/files.h"
#include "use_tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool inside(const void *p, size_t n, const uint8_t *bytes, size_t size)
{
    return (const uint8_t *)p >= bytes && n <= size && (const uint8_t *)p <= bytes + size - n;
}

static void walk_entries(const lm_gguf *f, const uint8_t *bytes, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < lm_gguf_entries(f); i++) {
        const lm_gguf_entry *e = lm_gguf_entry_at(f, i);
        must(inside(e->key.data, e->key.len, bytes, size));
        char *key = strndup(e->key.data, e->key.len);
        must(lm_gguf_entry_find(f, key) == e);
        const unsigned char *at = e->data;
        for (size_t k = 0; e->type == LM_GGUF_STRING && k < e->count; k++) {
            lm_str s = lm_gguf_next_string(&at);
            must(s.len == 0 || inside(s.data, s.len, bytes, size));
        }
        for (size_t k = 0; e->type != LM_GGUF_STRING && e->type != LM_GGUF_BOOL && k < e->count; k++)
            sum += lm_gguf_number_at(e, k);
        lm_status st = LM_STATUS_INIT;
        int64_t v = 0;
        bool yes = false;
        lm_str s = {NULL, 0};
        bool taken = lm_gguf_int(f, key, &v, &st) ||
                     (lm_status_clear(&st), lm_gguf_number(f, key, &sum, &st)) ||
                     (lm_status_clear(&st), lm_gguf_bool(f, key, &yes, &st)) ||
                     (lm_status_clear(&st), lm_gguf_string(f, key, &s, &st));
        must(taken == !e->array);
        lm_status_clear(&st);
        must((lm_gguf_strings(f, key, &st) != NULL) == (e->array && e->type == LM_GGUF_STRING));
        lm_status_clear(&st);
        must((lm_gguf_numbers(f, key, &st) != NULL) ==
             (e->array && e->type != LM_GGUF_STRING && e->type != LM_GGUF_BOOL));
        free(key);
    }
}

static void walk_tensors(const lm_gguf *f, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < lm_gguf_tensors(f); i++) {
        const lm_gguf_tensor *t = lm_gguf_tensor_at(f, i);
        must(inside(t->data, t->bytes, bytes, size));
        char *name = strndup(t->name.data, t->name.len);
        must(lm_gguf_tensor_find(f, name) == t);
        free(name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lm_log_level(LM_ERROR);
    lm_status st = LM_STATUS_INIT;
    lm_gguf *f = lm_gguf_from_memory(bytes, size, "fuzz", &st);
    must((f != NULL) == lm_ok(&st));
    if (!f)
        return 0;
    walk_entries(f, bytes, size);
    walk_tensors(f, bytes, size);
    lm_gguf_close(f);
    lm_tokenizer *t =
        lm_tokenizer_from_bytes((lm_str){(const char *)bytes, size}, NULL, NULL, NULL, "x.gguf", &st);
    use_tokenizer(t, lm_str_of("\xE2\x96\x81 ab"), &st);
    lm_tokenizer_free(t);
    return 0;
}
