/* --filter: which filters, with which thresholds, and what they dropped. */
#include "augment/quality/filters.h"

#include "augment/quality/judging.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { FILTERS_MOST = 16, LOOK = -1 };

/* Stop words as datatrove has them for English, and FineWeb2 for Korean. */
static const char english_stop_words[] = "the be to of and that have with";
static const char korean_stop_words[] = "의 다 이 는 에 을 한 년 하 은 를 했 고 에서 가 있 으로 인 월 로 되";

static const lm_quality_filter *const kinds[] = {&lm_gopher_quality_filter, &lm_gopher_repetition_filter, &lm_c4_filter,
                                              &lm_fineweb_filter, NULL};
static const char *const languages[] = {"en", "ko"};

typedef struct filter {
    const lm_quality_filter *kind;
    double limits[LM_LANGUAGES][LM_THRESHOLDS_MOST];
    int language; /* or LOOK */
    _Atomic uint64_t dropped[LM_THRESHOLDS_MOST];
} filter;

typedef struct filters {
    filter items[FILTERS_MOST];
    int count;
    lm_stop_words stop_words[LM_LANGUAGES];
    _Atomic uint64_t too_long;
} filters;

/* ---------------------------------------------------------------- the value */

static bool is_name(lm_str s, const char *name) /* hyphens and underscores are one */
{
    if (!name || s.len != strlen(name))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] == '_' ? '-' : s.data[i]) != name[i])
            return false;
    return true;
}

static bool set_threshold(filter *f, lm_str name, const char *value, lm_status *st)
{
    if (is_name(name, "language")) {
        for (int i = 0; i < LM_LANGUAGES; i++)
            if (strcmp(value, languages[i]) == 0)
                f->language = i;
        return f->language != LOOK || strcmp(value, "auto") == 0 ||
               lm_fail(st, LM_USAGE, "option --filter: language=%s: give en, ko or auto", value);
    }
    lm_buf known = {0};
    for (int i = 0; f->kind->thresholds[i].name; i++) {
        const lm_threshold *t = &f->kind->thresholds[i];
        lm_buf_printf(&known, "%s, ", t->name);
        if (!is_name(name, t->name) && !is_name(name, t->alias))
            continue;
        lm_buf_free(&known);
        double v;
        if (!lm_parse_float(value, &v) || v < 0)
            return lm_fail(st, LM_USAGE, "option --filter: %s=%s: give a number, 0 to turn the rule off", t->name, value);
        for (int k = 0; k < LM_LANGUAGES; k++)
            f->limits[k][i] = v;
        return true;
    }
    lm_fail(st, LM_USAGE, "option --filter: %s has no threshold '%.*s': it has %slanguage", f->kind->name, (int)name.len,
            name.data, lm_buf_cstr(&known));
    lm_buf_free(&known);
    return false;
}

static bool add_filter(filters *all, const lm_quality_filter *kind, lm_str settings, lm_status *st)
{
    if (all->count == FILTERS_MOST)
        return lm_fail(st, LM_USAGE, "option --filter: more than %d filters: give --filter again", FILTERS_MOST);
    filter *f = &all->items[all->count++];
    f->kind = kind;
    f->language = LOOK;
    for (int i = 0; kind->thresholds[i].name; i++)
        for (int k = 0; k < LM_LANGUAGES; k++)
            f->limits[k][i] = kind->thresholds[i].value[k];
    while (settings.len && lm_ok(st)) {
        size_t n = 0;
        while (n < settings.len && settings.data[n] != ':')
            n++;
        char *setting = lm_strndup(settings.data, n), *equals = strchr(setting, '=');
        if (equals)
            set_threshold(f, (lm_str){setting, (size_t)(equals - setting)}, equals + 1, st);
        else
            lm_fail(st, LM_USAGE, "option --filter: '%s': a threshold is given as NAME=VALUE", setting);
        free(setting);
        n += n < settings.len;
        settings = (lm_str){settings.data + n, settings.len - n};
    }
    return lm_ok(st);
}

static bool add_named(filters *all, lm_str s, lm_status *st)
{
    size_t n = 0;
    while (n < s.len && s.data[n] != ':')
        n++;
    lm_str name = {s.data, n}, settings = {s.data + n + (n < s.len), s.len - n - (n < s.len)};
    if (is_name(name, "gopher") && !settings.len)
        return add_filter(all, &lm_gopher_quality_filter, settings, st) && add_filter(all, &lm_gopher_repetition_filter, settings, st);
    for (int i = 0; kinds[i]; i++)
        if (is_name(name, kinds[i]->name))
            return add_filter(all, kinds[i], settings, st);
    return lm_fail(st, LM_USAGE,
                   "option --filter: '%.*s': give gopher-quality, gopher-repetition, gopher (both, without thresholds), c4 or fineweb",
                   (int)n, s.data);
}

static void close_filters(void *self)
{
    filters *all = self;
    for (int i = 0; i < LM_LANGUAGES; i++)
        lm_stop_words_free(&all->stop_words[i]);
    free(all);
}

static void *open_filters(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    filters *all = lm_calloc(1, sizeof *all);
    for (const char *p = value; lm_ok(st);) {
        size_t n = strcspn(p, ",");
        add_named(all, (lm_str){p, n}, st);
        if (!p[n])
            break;
        p += n + 1;
    }
    static const char *const words[] = {english_stop_words, korean_stop_words};
    for (int i = 0; i < LM_LANGUAGES && lm_ok(st); i++)
        if (!o->stop_words)
            lm_stop_words_make(&all->stop_words[i], words[i]);
        else
            lm_stop_words_read(&all->stop_words[i], o->stop_words, st);
    if (lm_ok(st))
        return all;
    close_filters(all);
    return NULL;
}

/* ---------------------------------------------------------------- judging */

static void *new_room(void *self)
{
    const filters *all = self;
    lm_judging *j = lm_calloc(1, sizeof *j);
    const size_t en = all->stop_words[0].words.n, ko = all->stop_words[1].words.n;
    j->found = lm_calloc((en > ko ? en : ko) / 64 + 1, sizeof *j->found);
    return j;
}

static void free_room(void *room)
{
    lm_judging_free(room);
    free(room);
}

static char *in_arena(lm_arena *arena, const lm_buf *b)
{
    return lm_arena_strndup(arena, b->data, b->len);
}

static const char *reason(const filter *f, const double *limit, const lm_verdict *v, lm_judging *j)
{
    j->line.len = 0;
    lm_buf_printf(&j->line, "%s:%s=%g: %.6g %s", f->kind->name, f->kind->thresholds[v->threshold].name, limit[v->threshold],
                  v->found, v->what);
    return in_arena(j->arena, &j->line);
}

static void judge(filters *all, lm_judging *j)
{
    size_t bytes = 0;
    for (int i = 0; i < j->draft->text_count; i++)
        bytes += j->draft->texts[i].len + 1;
    if (bytes > LM_WORDS_TEXT_MOST) {
        j->line.len = 0;
        lm_buf_printf(&j->line, "filter: a text of %zu bytes: more than %d are not judged", bytes, LM_WORDS_TEXT_MOST);
        j->draft->dropped = in_arena(j->arena, &j->line);
        atomic_fetch_add_explicit(&all->too_long, 1, memory_order_relaxed);
        return;
    }
    lm_judging_take(j);
    int seen = lm_mostly_hangul(j->text);
    for (int i = 0; i < all->count && !j->draft->dropped; i++) {
        filter *f = &all->items[i];
        int language = f->language == LOOK ? seen : f->language;
        j->korean = language == 1;
        j->stop_words = &all->stop_words[language];
        lm_verdict v;
        if (!f->kind->judge(j, f->limits[language], &v))
            continue;
        j->draft->dropped = reason(f, f->limits[language], &v, j);
        atomic_fetch_add_explicit(&f->dropped[v.threshold], 1, memory_order_relaxed);
    }
}

static bool apply_filters(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)st;
    lm_judging *j = room;
    j->arena = batch->arena;
    for (size_t i = 0; i < batch->count; i++) {
        j->draft = batch->items[i];
        judge(self, j);
    }
    return true;
}

/* ---------------------------------------------------------------- what came of it */

static void report_filters(const void *self, lm_buf *out)
{
    const filters *all = self;
    for (int i = 0; i < all->count; i++) {
        const filter *f = &all->items[i];
        uint64_t sum = 0;
        for (int k = 0; f->kind->thresholds[k].name; k++)
            sum += f->dropped[k];
        lm_buf_printf(out, "filter: %s: %" PRIu64 " records dropped", f->kind->name, sum);
        const char *before = " (";
        for (int k = 0; f->kind->thresholds[k].name; k++) {
            if (!f->dropped[k])
                continue;
            lm_buf_printf(out, "%s%s %" PRIu64, before, f->kind->thresholds[k].name, f->dropped[k]);
            before = ", ";
        }
        lm_buf_puts(out, sum ? ")\n" : "\n");
    }
    if (all->too_long)
        lm_buf_printf(out, "filter: %" PRIu64 " records dropped whose texts are too long to be judged\n", all->too_long);
}

const lm_operation_kind lm_filter_kind = {
    .name = "filter",
    .open = open_filters,
    .close = close_filters,
    .room_new = new_room,
    .room_free = free_room,
    .apply = apply_filters,
    .report = report_filters,
};

void lm_quality_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Quality"),
        LM_ENTRY_STEP("filter", "NAME[:THRESHOLD=VALUE...][,NAME...]", .aliases = "quality_filter",
                      .help = "drop what published filters drop: gopher-quality, gopher-repetition, gopher (both), c4, fineweb"),
        LM_ENTRY_STEP("min-length", "N[w]", .help = "drop texts of fewer than N characters, or words, as in 5w"),
        LM_ENTRY_STEP("max-length", "N[w]", .help = "drop texts of more than N characters, or words"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
