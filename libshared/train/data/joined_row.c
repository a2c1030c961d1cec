#include "train/data/joined_row.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* In the order of LM_JOINED_*. */
static const struct {
    size_t at, size; /* of the pointer in lm_tokens_row; of a value */
} columns_of[LM_JOINED_COLUMNS] = {{offsetof(lm_tokens_row, ids), 4},
                                   {offsetof(lm_tokens_row, types), 1},
                                   {offsetof(lm_tokens_row, word_ids), 4},
                                   {offsetof(lm_tokens_row, loss_mask), 1},
                                   {offsetof(lm_tokens_row, mlm_labels), 4}};

static const void *column(const lm_tokens_row *row, int c)
{
    const void *values;
    memcpy(&values, (const char *)row + columns_of[c].at, sizeof values);
    return values;
}

unsigned lm_joined_columns(const lm_tokens_row *row)
{
    unsigned all = 0;
    for (int c = 0; c < LM_JOINED_COLUMNS; c++)
        all |= column(row, c) ? 1u << c : 0;
    return all;
}

void lm_joined_row_begin(lm_joined_row *j, unsigned columns, size_t most, lm_arena *room)
{
    *j = (lm_joined_row){.columns = columns, .most = most, .texts = lm_arena_alloc(room, most + 1, sizeof *j->texts)};
    for (int c = 0; c < LM_JOINED_COLUMNS; c++)
        if (columns & 1u << c)
            j->values[c] = lm_arena_alloc(room, most + 1, columns_of[c].size);
}

void lm_joined_row_begin_text(lm_joined_row *j)
{
    if (!j->text_count || j->texts[j->text_count - 1]) /* else nothing has come of the one before */
        j->texts[j->text_count++] = 0;
}

static void add_words(lm_joined_row *j, const int32_t *word_ids, int32_t *to, size_t n)
{
    int32_t next = j->words;
    for (size_t i = 0; i < n; i++) {
        to[i] = word_ids[i] < 0 ? -1 : j->words + word_ids[i];
        next = to[i] >= next ? to[i] + 1 : next;
    }
    j->words = next;
}

void lm_joined_row_add(lm_joined_row *j, const lm_tokens_row *row)
{
    if (!row->len)
        return;
    if (row->len > j->most - j->len)
        abort(); /* the caller's count is wrong */
    if (!j->text_count)
        lm_joined_row_begin_text(j);
    for (int c = 0; c < LM_JOINED_COLUMNS; c++) {
        size_t size = columns_of[c].size;
        const void *from = column(row, c);
        char *to = (char *)j->values[c] + j->len * size;
        if (!(j->columns & 1u << c))
            continue;
        if (1u << c == LM_JOINED_WORD_IDS)
            add_words(j, row->word_ids, (int32_t *)(void *)to, row->len);
        else if (from)
            memcpy(to, from, row->len * size);
        else
            memset(to, 0, row->len * size);
    }
    j->texts[j->text_count - 1] += (int32_t)row->len;
    j->len += row->len;
}

void lm_joined_row_add_special(lm_joined_row *j, int32_t id)
{
    static const int32_t no_word = -1;
    lm_joined_row_add(j, &(lm_tokens_row){.ids = &id, .len = 1, .word_ids = &no_word});
}

void lm_joined_row_give(const lm_joined_row *j, lm_tokens_row *row)
{
    *row = (lm_tokens_row){.len = j->len};
    for (int c = 0; c < LM_JOINED_COLUMNS; c++)
        memcpy((char *)row + columns_of[c].at, &j->values[c], sizeof j->values[c]);
    if (j->text_count > 1) {
        row->seq_lengths = j->texts;
        row->seq_count = j->text_count;
    }
}
