#include "row_file.h"

#include "base/memory.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

struct row_file {
    int fd;
    lm_lms_writer *stream;
    lm_tokens_writer *rows;
};

row_file *row_file_new(const char *path)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    json_t *preamble = lm_tokens_preamble(&info);
    row_file *f = lm_calloc(1, sizeof *f);
    f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    f->stream = lm_lms_writer_new(f->fd, path, LM_KIND_TOKENS, preamble, NULL, NULL, &st);
    assert_ok(&st);
    f->rows = lm_tokens_writer_new(f->stream);
    json_decref(preamble);
    return f;
}

void row_file_add(row_file *f, const lm_tokens_row *row)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokens_writer_add(f->rows, row, &st);
    assert_ok(&st);
}

void row_file_close(row_file *f)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokens_writer_flush(f->rows, &st);
    lm_lms_write_end(f->stream, &st);
    assert_ok(&st);
    lm_tokens_writer_free(f->rows);
    lm_lms_writer_free(f->stream);
    close(f->fd);
    free(f);
}
