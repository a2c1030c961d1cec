#include "npz.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

/* The array in the bytes of a .npy file, version 1. */
static void read_array(npz_array *a, const char *name, const lm_buf *file)
{
    enum { PREFIX = 10 };
    MUST(file->len > PREFIX, "%s: cut off", name);
    size_t header = (unsigned char)file->data[8] + 256u * (unsigned char)file->data[9];
    MUST(file->len >= PREFIX + header, "%s: cut off", name);
    char *text = lm_strndup(file->data + PREFIX, header), *descr = strstr(text, "'descr': '");
    MUST(descr && strstr(text, "'fortran_order': False"), "%s: %s", name, text);
    descr += strlen("'descr': '");
    a->name = lm_strndup(name, strlen(name) - strlen(".npy"));
    a->type = lm_strndup(descr, strcspn(descr, "'"));
    free(text);
    size_t width = strtoul(a->type + strcspn(a->type, "0123456789"), NULL, 10), bytes = file->len - PREFIX - header;
    MUST(width && bytes % width == 0, "%s: %s, %zu bytes", name, a->type, bytes);
    a->count = bytes / width;
    a->data = lm_malloc(a->count, width);
    memcpy(a->data, file->data + PREFIX + header, bytes);
}

npz npz_open(const char *path)
{
    npz z = {.path = lm_strdup(path)};
    struct archive *zip = archive_read_new();
    struct archive_entry *entry;
    size_t cap = 0;
    archive_read_support_format_zip(zip);
    MUST(archive_read_open_filename(zip, path, 1 << 16) == ARCHIVE_OK, "%s", path);
    while (archive_read_next_header(zip, &entry) == ARCHIVE_OK) {
        lm_buf file = {0};
        lm_buf_reserve(&file, (size_t)archive_entry_size(entry));
        file.len = (size_t)archive_read_data(zip, file.data, file.cap);
        LM_GROW(z.arrays, z.count, cap);
        read_array(&z.arrays[z.count++], archive_entry_pathname(entry), &file);
        lm_buf_free(&file);
    }
    archive_read_free(zip);
    return z;
}

void npz_close(npz *z)
{
    for (size_t i = 0; i < z->count; i++) {
        free(z->arrays[i].name);
        free(z->arrays[i].type);
        free(z->arrays[i].data);
    }
    free(z->arrays);
    free(z->path);
}

static const npz_array *lookup(const npz *z, const char *name)
{
    for (size_t i = 0; i < z->count; i++) {
        if (strcmp(z->arrays[i].name, name) == 0)
            return &z->arrays[i];
    }
    return NULL;
}

bool npz_has(const npz *z, const char *name)
{
    return lookup(z, name) != NULL;
}

const void *npz_find(const npz *z, const char *name, const char *type, size_t *count)
{
    const npz_array *a = lookup(z, name);
    MUST(a != NULL, "%s: no array %s", z->path, name);
    MUST(strcmp(a->type, type) == 0, "%s: %s is %s, not %s", z->path, name, a->type, type);
    *count = a->count;
    return a->data;
}
