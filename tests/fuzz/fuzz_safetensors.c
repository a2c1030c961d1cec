/* libFuzzer target: any bytes as a safetensors file. What is accepted keeps its promises, and, written again,
 * is read back the same. */
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(const lm_safetensors *f, const uint8_t *data, size_t size)
{
    const char *end = (const char *)data;
    for (size_t i = 0; i < lm_safetensors_count(f); i++) {
        const lm_safetensor *t = lm_safetensors_at(f, i);
        size_t bytes;
        must(lm_tensor_bytes(t->dtype, &t->shape, &bytes) && bytes == t->bytes);
        must((const char *)t->data >= end && (const char *)t->data + t->bytes <= (const char *)data + size);
        must(lm_safetensors_find(f, t->name) == t);
        end = (const char *)t->data + t->bytes;
    }
    must(lm_safetensors_count(f) == 0 || end == (const char *)data + size);
    must(!lm_safetensors_find(f, "\x7f no such tensor"));
    lm_safetensors_metadata(f, "format");
}

static void write_again(const lm_safetensors *f)
{
    lm_status st = LM_STATUS_INIT;
    size_t n = lm_safetensors_count(f);
    lm_safetensor *tensors = calloc(n + 1, sizeof *tensors);
    for (size_t i = 0; i < n; i++)
        tensors[i] = *lm_safetensors_at(f, i);
    int fd = memfd_create("written", 0);
    must(lm_safetensors_write(fd, "written", tensors, n, &st));
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    lm_safetensors *again = lm_safetensors_open(path, &st);
    must(again && lm_safetensors_count(again) == n);
    for (size_t i = 0; i < n; i++) {
        const lm_safetensor *a = &tensors[i], *b = lm_safetensors_find(again, a->name);
        must(b && b->dtype == a->dtype && lm_shape_equal(&a->shape, &b->shape) && a->bytes == b->bytes);
        must(!a->bytes || memcmp(a->data, b->data, a->bytes) == 0);
    }
    lm_safetensors_close(again);
    close(fd);
    free(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lm_status st = LM_STATUS_INIT;
    lm_safetensors *f = lm_safetensors_from_memory(data, size, "fuzz", &st);
    must((f != NULL) == lm_ok(&st));
    if (f) {
        check(f, data, size);
        write_again(f);
        lm_safetensors_close(f);
    }
    return 0;
}
