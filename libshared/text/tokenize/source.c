#include "text/tokenize/source.h"

#include <string.h>

static bool open_next(lm_text_source *s, lm_status *st)
{
    const char *path = s->operands->count ? s->operands->items[s->next] : "-";
    s->next++;
    s->input = lm_input_open(path, st);
    if (s->input)
        s->records = lm_records_new(s->input, &s->options, st);
    s->options.rejects_append = true;
    return s->records != NULL;
}

static void close_input(lm_text_source *s)
{
    if (s->records) {
        s->options.offset += lm_records_count(s->records) + lm_records_rejected(s->records) +
                             lm_records_dropped(s->records);
        s->dropped += lm_records_dropped(s->records);
        s->rejected += lm_records_rejected(s->records);
        s->replaced += lm_records_replaced(s->records);
    }
    if (s->input)
        s->bytes += lm_input_offset(s->input);
    lm_records_free(s->records);
    lm_input_close(s->input);
    s->records = NULL;
    s->input = NULL;
    s->theirs = NULL;
}

static const char *keep_name(lm_text_source *s, const char *name)
{
    if (name != s->theirs) {
        s->theirs = name;
        s->ours = lm_arena_strndup(s->names, name, strlen(name));
    }
    return s->ours;
}

bool lm_text_source_open(lm_text_source *s, const lm_strings *operands, const lm_records_options *options,
                         lm_status *st)
{
    *s = (lm_text_source){.operands = operands, .options = *options, .names = lm_arena_new(0)};
    if (!open_next(s, st))
        return false;
    s->preamble = json_incref(lm_records_preamble(s->records));
    return true;
}

void lm_text_source_close(lm_text_source *s)
{
    close_input(s);
    json_decref(s->preamble);
    lm_arena_free(s->names);
    s->preamble = NULL;
    s->names = NULL;
}

int lm_text_source_batch(lm_text_source *s, size_t records, size_t bytes, lm_text_batch *batch, lm_status *st)
{
    for (;;) {
        int rc = lm_records_batch(s->records, records, bytes, batch, st);
        for (size_t i = 0; i < batch->count; i++) {
            s->count += !batch->items[i].flush;
            batch->items[i].file = keep_name(s, batch->items[i].file);
        }
        if (rc != 0 || s->next >= s->operands->count)
            return rc;
        close_input(s);
        if (!open_next(s, st))
            return -1;
    }
}
