#include "made_rows.h"

#include "row_file.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "stream/input.h"

uint32_t made_draw(uint32_t below)
{
    static uint64_t state = 5;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

void made_write(const char *path, const made *rows, int n)
{
    row_file *f = row_file_new(path);
    for (int i = 0; i < n; i++) {
        const made *m = &rows[i];
        int32_t ids[MADE_MOST], words[MADE_MOST];
        uint8_t mask[MADE_MOST];
        int len = 0;
        if (m->wrapped)
            ids[len++] = MADE_CLS;
        for (int k = 0; k < m->len; k++) {
            words[len] = k;
            mask[len] = (uint8_t)((m->first + k) % 2);
            ids[len++] = m->first + k;
        }
        if (m->wrapped)
            ids[len++] = MADE_SEP;
        lm_tokens_row row = {.ids = ids, .len = (size_t)len, .has_doc = m->doc >= 0, .doc = m->doc,
                             .loss_mask = m->masked ? mask : NULL, .word_ids = m->masked ? words : NULL};
        row_file_add(f, &row);
    }
    row_file_close(f);
}

lm_spool *made_spool(const made *rows, int n)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new(), *path = lm_format("%s/rows.lms", dir);
    made_write(path, rows, n);
    lm_input *input = lm_input_open(path, &st);
    lm_lms_reader *reader = lm_lms_reader_new(input, &st);
    lm_spool *s = lm_spool_new(&(lm_spool_options){0}, &st);
    ck_assert(lm_spool_add_all(s, reader, &st) && lm_spool_finish(s, NULL, &st));
    lm_lms_reader_free(reader);
    lm_input_close(input);
    free(path);
    scratch_discard(dir);
    return s;
}

lm_instances *made_try_instances(const lm_spool *s, const lm_subset *subset, const lm_instances_options *how, lm_status *st)
{
    lm_spool_range rows = {.spool = s, .subset = subset, .count = subset ? subset->count : lm_spool_rows(s)};
    return lm_instances_new(&rows, NULL, 1, how, st);
}

lm_instances *made_instances(const lm_spool *s, lm_instances_options how)
{
    lm_status st = LM_STATUS_INIT;
    lm_instances *in = made_try_instances(s, NULL, &how, &st);
    assert_ok(&st);
    return in;
}

char *made_shown(const lm_instances *in, uint64_t i, lm_arena *room)
{
    lm_tokens_row row;
    lm_buf b = {0};
    lm_instances_get(in, i, room, &row);
    ck_assert_uint_eq(row.len, lm_instances_lengths(in)[i]);
    size_t text = 0, end = row.seq_count ? (size_t)row.seq_lengths[0] : row.len;
    for (size_t k = 0; k < row.len; k++) {
        if (k == end) {
            lm_buf_puts(&b, " |");
            end += (size_t)row.seq_lengths[++text];
        }
        lm_buf_printf(&b, "%s%d", k ? " " : "", (int)row.ids[k]);
    }
    lm_buf_cstr(&b);
    return b.data;
}

char *made_step(lm_data *d, uint64_t step, const lm_targets *t, bool *end)
{
    lm_status st = LM_STATUS_INIT;
    lm_step_rows s = {0};
    lm_buf b = {0};
    lm_data_step(d, step, t, &s, end, &st);
    assert_ok(&st);
    for (int r = 0; r < s.rows && !*end; r++)
        for (int k = s.row_splits[r]; k < s.row_splits[r + 1]; k++)
            lm_buf_printf(&b, "%s%d", k == s.row_splits[r] ? "," : " ", (int)s.ids[k]);
    lm_step_rows_free(&s);
    lm_buf_cstr(&b);
    return b.data;
}

lm_data *made_data(const char *path, lm_data_options options, const lm_instances_options *how)
{
    lm_status st = LM_STATUS_INIT;
    options.inputs = &(lm_strings){&path, 1, 1};
    options.shuffle = true;
    options.rows_per_step = 8;
    options.seed = 3;
    lm_data *d = lm_data_open(&options, &st);
    assert_ok(&st);
    ck_assert(lm_data_load(d, &st));
    lm_data_arrange(d, how, &st);
    assert_ok(&st);
    return d;
}
