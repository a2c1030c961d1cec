#include "train/data/source.h"

#include "base/memory.h"
#include "base/signals.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lm_source {
    const char *const *names;
    size_t count, opened; /* files; those opened so far */
    lm_stream_facts *facts;
    lm_input *input;
    lm_lms_reader *reader;
    char *name; /* of the file in hand */
};

/* ------------------------------------------------------------------ what streams agree in */

bool lm_stream_facts_take(lm_stream_facts *f, json_t *preamble, const char *name, lm_status *st)
{
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    if (!lm_tokenizer_info_read(preamble, &info, st))
        return lm_fail_prefix(st, name);
    if (!f->preamble) {
        f->preamble = json_incref(preamble);
        f->tokenizer = info;
    } else if (info.present && f->tokenizer.present && info.xxh3 != f->tokenizer.xxh3) {
        return lm_fail(st, LM_FAILED,
                       "%s: its tokens are of another tokenizer than those before it: use one for all", name);
    }
    for (int i = 0; i < 2 && f->preamble != preamble; i++) {
        static const char *const lists[] = {"labels", "tags"};
        json_t *had = json_object_get(f->preamble, lists[i]), *has = json_object_get(preamble, lists[i]);
        if ((had || has) && !json_equal(had, has))
            return lm_fail(st, LM_FAILED,
                           "%s: its %s are other classes than those before it: make the tokens with one list of --labels",
                           name, lists[i]);
    }
    return true;
}

void lm_stream_facts_clear(lm_stream_facts *f)
{
    json_decref(f->preamble);
    *f = (lm_stream_facts)LM_STREAM_FACTS_NONE;
}

/* ------------------------------------------------------------------ files */

static void close_input(lm_source *s)
{
    lm_lms_reader_free(s->reader);
    lm_input_close(s->input);
    s->reader = NULL;
    s->input = NULL;
}

static size_t file_count(const lm_source *s)
{
    return s->count ? s->count : 1;
}

static const char *file_at(const lm_source *s, size_t i)
{
    return s->count ? s->names[i] : "-";
}

/* Opens the next file; *end where there is none. */
static bool open_next(lm_source *s, bool *end, lm_status *st)
{
    close_input(s);
    *end = s->opened >= file_count(s);
    if (*end)
        return true;
    const char *path = file_at(s, s->opened++);
    if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO))
        return lm_fail(st, LM_USAGE,
                       "tokens are read from standard input, which is a terminal: pipe them in "
                       "(tok -m MODEL FILE | ...), or name a file");
    s->input = lm_input_open(path, st);
    if (!s->input)
        return false;
    free(s->name);
    s->name = lm_strdup(lm_input_name(s->input));
    s->reader = lm_lms_reader_new(s->input, st);
    if (!s->reader)
        return false;
    if (lm_lms_reader_kind(s->reader) != LM_KIND_TOKENS)
        return lm_fail(st, LM_FAILED, "%s: a stream of another kind than tokens: make them with tok -m MODEL", s->name);
    return lm_stream_facts_take(s->facts, lm_lms_reader_preamble(s->reader), s->name, st);
}

lm_source *lm_source_open(const char *const *names, size_t count, lm_stream_facts *facts, lm_status *st)
{
    lm_source *s = lm_calloc(1, sizeof *s);
    *s = (lm_source){.names = names, .count = count, .facts = facts};
    bool end;
    if (open_next(s, &end, st))
        return s;
    lm_source_close(s);
    return NULL;
}

void lm_source_close(lm_source *s)
{
    if (!s)
        return;
    close_input(s);
    free(s->name);
    free(s);
}

bool lm_source_next(lm_source *s, lm_record *record, bool *end, lm_status *st)
{
    *end = false;
    while (s->reader) {
        if (!lm_signal_check(st))
            return false;
        int got = lm_lms_next(s->reader, record, st);
        if (got < 0)
            return false;
        if (got > 0 && record->flush)
            continue;
        if (got > 0)
            return lm_stream_facts_take(s->facts, lm_lms_reader_preamble(s->reader), s->name, st);
        if (!open_next(s, end, st))
            return false;
    }
    *end = true;
    return true;
}

size_t lm_source_input(const lm_source *s)
{
    return s->opened - 1;
}

const char *lm_source_name(const lm_source *s)
{
    return s->name;
}

bool lm_source_can_restart(const lm_source *s)
{
    struct stat file;
    for (size_t i = 0; i < file_count(s); i++)
        if (strcmp(file_at(s, i), "-") == 0 || stat(file_at(s, i), &file) != 0 || !S_ISREG(file.st_mode))
            return false;
    return true;
}

bool lm_source_restart(lm_source *s, lm_status *st)
{
    bool end;
    s->opened = 0;
    return open_next(s, &end, st);
}
