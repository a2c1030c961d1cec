#include "augment/words/word_lines.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "stream/input.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 1 << 20 };

struct lm_word_lines {
    lm_input *in;
    const char *path, *option;
    uint64_t number;
};

lm_word_lines *lm_word_lines_open(const char *path, const char *option, lm_status *st)
{
    lm_input *in = lm_input_open(path, st);
    if (!in) {
        lm_fail_prefix(st, option);
        return NULL;
    }
    lm_word_lines *l = lm_calloc(1, sizeof *l);
    *l = (lm_word_lines){in, path, option, 0};
    return l;
}

void lm_word_lines_close(lm_word_lines *l)
{
    if (!l)
        return;
    lm_input_close(l->in);
    free(l);
}

bool lm_word_lines_decode(lm_word_lines *l, const char *encoding, lm_status *st)
{
    return lm_input_decode(l->in, encoding, st) || lm_fail_prefix(st, l->path);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool lm_word_lines_next(lm_word_lines *l, lm_str *line, lm_status *st)
{
    for (;;) {
        bool end;
        if (!lm_input_line(l->in, LINE_MAX_BYTES, line, &end, NULL, st))
            return lm_fail_prefix(st, l->option);
        if (end)
            return false;
        if (l->number++ == 0 && line->len >= 3 && memcmp(line->data, "\xEF\xBB\xBF", 3) == 0)
            *line = (lm_str){line->data + 3, line->len - 3};
        if (!lm_utf8_valid(line->data, line->len))
            return lm_fail(st, LM_FAILED, "%s: %s:%" PRIu64 ": not UTF-8: convert the file (iconv -t UTF-8)", l->option, l->path,
                           l->number);
        while (line->len && is_blank(line->data[line->len - 1]))
            line->len--;
        while (line->len && is_blank(*line->data))
            line->data++, line->len--;
        if (line->len && *line->data != '#')
            return true;
    }
}

uint64_t lm_word_lines_number(const lm_word_lines *l)
{
    return l->number;
}
