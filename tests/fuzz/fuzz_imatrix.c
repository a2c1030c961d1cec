/* libFuzzer target: any bytes as an importance matrix. What is accepted is finite and in order, and, written again in either form,
 * has the same means. */
#include "tensor/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(const lm_imatrix *m)
{
    lm_status st = LM_STATUS_INIT;
    for (size_t i = 0; i < lm_imatrix_count(m); i++) {
        const lm_imatrix_entry *e = lm_imatrix_at(m, i);
        const float *mean;
        must(i == 0 || strcmp(lm_imatrix_at(m, i - 1)->name, e->name) < 0);
        must(e->columns > 0 && e->count >= 0 && lm_imatrix_mean(m, e->name, e->columns, &mean, &st) && mean == e->mean);
        for (size_t c = 0; c < e->columns; c++)
            must(isfinite(e->sum2[c]) && e->sum2[c] >= 0 && mean[c] >= 0);
    }
}

static void write_again(const lm_imatrix *m, lm_imatrix_form form)
{
    lm_status st = LM_STATUS_INIT;
    int fd = memfd_create("written", 0);
    if (lm_imatrix_write(m, form, fd, "written", &st)) { /* names may be too long, or sums too large, for the other form */
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        lm_imatrix *again = lm_imatrix_read(path, &st);
        must(!again == !lm_ok(&st));
        if (again)
            must(lm_imatrix_count(again) == lm_imatrix_count(m));
        lm_imatrix_free(again);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lm_status st = LM_STATUS_INIT;
    lm_imatrix *m = lm_imatrix_parse(data, size, "fuzz", &st);
    must((m != NULL) == lm_ok(&st));
    if (m) {
        check(m);
        write_again(m, LM_IMATRIX_GGUF);
        write_again(m, LM_IMATRIX_DAT);
        lm_imatrix_free(m);
    }
    return 0;
}
