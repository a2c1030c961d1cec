/* libFuzzer target: any bytes as a file of kept tables of a tokenizer, its key and digest made right. */
#include "used_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {1, 2};
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    use_tables(copy, size, key);
    free(copy);
    return 0;
}
