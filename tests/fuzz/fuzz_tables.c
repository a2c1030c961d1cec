/* libFuzzer target: changes of a good file of kept tables, its key and digest made right. By the first byte, which file; then five bytes
 * a change: where, and what stands there then; or, beyond its end, how many sixteenths of it are left. */
#include "base/memory.h"
#include "kept_files.h"
#include "used_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const lm_buf *good_file(size_t i)
{
    static lm_buf files[KEPT_FILES];
    lm_tokenizer *t;
    if (!files[i].len) {
        files[i] = kept_file((int)i, &t);
        lm_tokenizer_free(t);
    }
    return &files[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CHANGE = 5, PARTS = 16 };
    if (!size)
        return 0;
    const lm_buf *file = good_file(data[0] % KEPT_FILES);
    size_t n = file->len;
    char *bytes = lm_malloc(n, 1);
    memcpy(bytes, file->data, n);
    for (size_t i = 1; i + CHANGE <= size; i += CHANGE) {
        uint32_t at;
        memcpy(&at, data + i, sizeof at);
        at %= (uint32_t)file->len + PARTS;
        if (at < n)
            bytes[at] = (char)data[i + sizeof at];
        else if (at >= file->len)
            n = file->len / PARTS * (at - file->len);
    }
    bytes = lm_realloc(bytes, n + !n, 1); /* so that a byte too many is seen */
    bool taken = use_tables(bytes, n, kept_key);
    free(bytes);
    if (size == 1 && !taken)
        abort();
    return 0;
}
