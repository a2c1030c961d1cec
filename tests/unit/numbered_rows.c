#include "numbered_rows.h"

#include "base/memory.h"
#include "stream/tokens.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

char *numbered_rows(const char *dir, const char *name, int rows, int first)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    json_t *preamble = lm_tokens_preamble(&info);
    lm_lms_writer *w = lm_lms_writer_new(fd, path, LM_KIND_TOKENS, preamble, NULL, NULL, &st);
    lm_tokens_writer *t = lm_tokens_writer_new(w);
    for (int i = 0; i < rows; i++) {
        int32_t ids[7] = {first + i, 1, 2, 3, 4, 5, 6};
        lm_tokens_row row = {.ids = ids, .len = (size_t)(1 + i % 7), .has_label_id = true, .label_id = i % 3};
        lm_tokens_writer_add(t, &row, &st);
    }
    lm_tokens_writer_flush(t, &st);
    lm_lms_write_end(w, &st);
    assert_ok(&st);
    lm_tokens_writer_free(t);
    lm_lms_writer_free(w);
    json_decref(preamble);
    close(fd);
    return path;
}
