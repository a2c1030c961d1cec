#include "numbered_rows.h"

#include "base/memory.h"
#include "row_file.h"

char *numbered_rows(const char *dir, const char *name, int rows, int first)
{
    char *path = lm_format("%s/%s", dir, name);
    row_file *f = row_file_new(path);
    for (int i = 0; i < rows; i++) {
        int32_t ids[7] = {first + i, 1, 2, 3, 4, 5, 6};
        row_file_add(f, &(lm_tokens_row){.ids = ids, .len = (size_t)(1 + i % 7), .has_label_id = true, .label_id = i % 3});
    }
    row_file_close(f);
    return path;
}
