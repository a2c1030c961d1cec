#include "augment/translate/translate.h"
#include "augment/options.h"
#include "augment/translate/segments.h"
#include "base/line_filter.h"
#include "base/memory.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "stream/json.h"
#include "text/unicode/python_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { COMMANDS = 2 };

typedef struct translate {
    const char *name;            /* of the option */
    const char *commands[COMMANDS];
    lm_line_filter *filters[COMMANDS];
    int count;
    bool whole;                  /* texts are given as they are */
    bool rejects;
    lm_buf note;                 /* for provenance */
} translate;

/* ------------------------------------------------------------------ life */

static void translate_close(void *self)
{
    translate *t = self;
    for (int i = 0; i < t->count; i++)
        lm_line_filter_free(t->filters[i]);
    lm_buf_free(&t->note);
    free(t);
}

static void write_note(translate *t)
{
    lm_buf_printf(&t->note, "\"op\":\"%s\",\"commands\":[", t->name);
    for (int i = 0; i < t->count; i++) {
        lm_buf_puts(&t->note, i ? "," : "");
        lm_json_string(lm_str_of(t->commands[i]), &t->note);
    }
    lm_buf_puts(&t->note, "]");
}

static void *open_commands(const char *name, const char *const *commands, int count, const lm_augment_options *o, lm_status *st)
{
    translate *t = lm_calloc(1, sizeof *t);
    int threads = o->threads ? o->threads : lm_threads();
    *t = (translate){.name = name, .whole = o->translate.input == LM_END_NUL, .rejects = o->records.rejects != NULL};
    for (; t->count < count && lm_ok(st); t->count++) {
        const char *command = t->commands[t->count] = commands[t->count];
        if (!command[strspn(command, " \t\n")] || !lm_utf8_valid(command, strlen(command)))
            lm_fail(st, LM_USAGE, "--%s: '%s' is no command: give one for the shell, such as 'apertium eng-spa'", name, command);
        t->filters[t->count] = lm_line_filter_new(&(lm_line_filter_options){
            .command = command, .timeout = o->translate.timeout, .jobs = o->translate.jobs ? (int)o->translate.jobs : threads,
            .end = (lm_record_end)o->translate.input, .runs = (lm_filter_runs)o->translate.runs, .first_fault = !t->rejects});
    }
    if (lm_ok(st)) {
        write_note(t);
        return t;
    }
    translate_close(t);
    return NULL;
}

static void *translate_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    return open_commands(lm_translate_kind.name, &value, 1, o, st);
}

static void *back_translate_open(const char *first, const char *second, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    return open_commands(lm_back_translate_kind.name, (const char *const[]){first, second}, 2, o, st);
}

static bool translate_finish(void *self, lm_status *st)
{
    translate *t = self;
    for (int i = 0; i < t->count; i++)
        lm_line_filter_finish(t->filters[i], st);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ a batch */

typedef struct room {
    lm_segments segments;
    lm_line_answer *answers;
    lm_str *asked;    /* the lines that the command in hand is given, ... */
    uint32_t *which;  /* ... and which they are */
    lm_str *lines;    /* what has become of them */
    const char **faults; /* why nothing has, in the arena; or NULL */
    size_t cap;
} room;

static void room_free(void *opaque)
{
    room *r = opaque;
    lm_segments_free(&r->segments);
    free(r->answers);
    free(r->asked);
    free(r->which);
    free(r->lines);
    free(r->faults);
    free(r);
}

static void make_room(room *r, size_t count)
{
    if (count > r->cap) {
        r->cap = count;
        r->answers = lm_realloc(r->answers, count, sizeof *r->answers);
        r->asked = lm_realloc(r->asked, count, sizeof *r->asked);
        r->which = lm_realloc(r->which, count, sizeof *r->which);
        r->lines = lm_realloc(r->lines, count, sizeof *r->lines);
        r->faults = lm_realloc(r->faults, count, sizeof *r->faults);
    }
    for (size_t i = 0; i < count; i++) {
        r->lines[i] = r->segments.lines[i];
        r->faults[i] = NULL;
    }
}

/* Takes an answer, or says why it is none. One that is neither is that of a line which was not asked for, as another is at fault. */
static const char *judge(lm_line_answer *a)
{
    if (a->fault || !a->text.data)
        return a->fault;
    a->text = lm_text_trim(a->text, NULL, true, true);
    if (!lm_utf8_valid(a->text.data, a->text.len))
        return "an answer that is not UTF-8";
    return a->text.len ? NULL : "an empty answer";
}

static const char *say_fault(const translate *t, int command, const char *fault, lm_arena *arena)
{
    char *text = lm_format("%s: '%s': %s", t->name, t->commands[command], fault);
    const char *kept = lm_arena_strndup(arena, text, strlen(text));
    free(text);
    return kept;
}

/* All lines that are not lost yet through one command. */
static bool ask(translate *t, int command, room *r, lm_arena *arena, lm_status *st)
{
    size_t asked = 0;
    for (size_t i = 0; i < r->segments.line_count; i++)
        if (!r->faults[i]) {
            r->which[asked] = (uint32_t)i;
            r->asked[asked++] = r->lines[i];
        }
    if (!lm_line_filter_ask(t->filters[command], r->asked, asked, r->answers, arena, st))
        return false;
    for (size_t i = 0; i < asked; i++) {
        const char *fault = judge(&r->answers[i]);
        size_t line = r->which[i];
        if (fault)
            r->faults[line] = say_fault(t, command, fault, arena);
        r->lines[line] = r->answers[i].text;
    }
    return true;
}

/* Drops the records that have a line without an answer; without --rejects the first of them ends the run. */
static bool drop(const translate *t, const room *r, lm_drafts *batch, lm_status *st)
{
    for (size_t i = 0; i < r->segments.count; i++) {
        const lm_segment *g = &r->segments.at[i];
        lm_draft *d = batch->items[g->draft];
        if (!r->faults[g->line] || d->dropped)
            continue;
        d->dropped = r->faults[g->line];
        if (!t->rejects)
            return lm_fail(st, LM_FAILED, "record %" PRIu64 ": %s: --rejects FILE puts such records there and goes on", d->number + 1,
                           d->dropped);
    }
    return true;
}

static bool translate_apply(void *self, void *opaque, lm_drafts *batch, lm_status *st)
{
    translate *t = self;
    room *r = opaque;
    if (!lm_segments_find(&r->segments, batch, t->whole, st))
        return false;
    make_room(r, r->segments.line_count);
    for (int command = 0; command < t->count; command++)
        if (!ask(t, command, r, batch->arena, st) || !drop(t, r, batch, st))
            return false;
    lm_segments_replace(&r->segments, batch, r->lines);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i]->note)
            lm_buf_append(batch->items[i]->note, t->note.data, t->note.len);
    return true;
}

static void translate_report(const void *self, lm_buf *out)
{
    const translate *t = self;
    for (int i = 0; i < t->count; i++) {
        lm_line_filter_counts n = lm_line_filter_counted(t->filters[i]);
        lm_buf_printf(out, "%s: '%s' answered %" PRIu64 " line%s", t->name, t->commands[i], n.answered, n.answered == 1 ? "" : "s");
        if (n.faults)
            lm_buf_printf(out, ", and failed at %" PRIu64, n.faults);
        lm_buf_printf(out, "; it was started %" PRIu64 " time%s\n", n.starts, n.starts == 1 ? "" : "s");
    }
}

const lm_operation_kind lm_translate_kind = {
    .name = "translate", .open = translate_open, .finish = translate_finish, .close = translate_close, .room_bytes = sizeof(room),
    .room_free = room_free, .apply = translate_apply, .report = translate_report};
const lm_operation_kind lm_back_translate_kind = {
    .name = "back-translate", .varies = true, .open_two = back_translate_open, .finish = translate_finish,
    .close = translate_close, .room_bytes = sizeof(room), .room_free = room_free, .apply = translate_apply, .report = translate_report};

void lm_translate_entries(lm_augment_entries *to)
{
    static const char both[] = "translate back-translate";
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Translation by commands"),
        LM_ENTRY_STEP("translate", "COMMAND", .help = "each text becomes what this filter of yours makes of it, line by line"),
        LM_ENTRY_STEP("back-translate", "COMMAND COMMAND", .two_values = true,
                      .help = "there and back again: through a filter into another language, and through another one back"),
        LM_ENTRY_ABOUT(both, "command-timeout", LM_OPT_DURATION, translate.timeout, "TIME", .min = 0.001, .max = INFINITY,
                 .help = "a command that takes and answers nothing for so long has failed"),
        LM_ENTRY_ABOUT(both, "command-input", LM_OPT_CHOICE, translate.input, "FORM", .choices = lm_record_end_names,
                 .help = "what a command is given: paragraphs, that is lines with an empty one behind each, lines, or whole texts "
                         "that end with NUL (sed -z)"),
        LM_ENTRY_ABOUT(both, "command-runs", LM_OPT_CHOICE, translate.runs, "HOW", .choices = lm_filter_runs_names,
                 .help = "a command is kept running, or started for each batch; auto finds out which it needs"),
        LM_ENTRY_ABOUT(both, "command-jobs", LM_OPT_COUNT, translate.jobs, "N", .min = 0, .max = 4096, .shown = "one for each thread",
                 .help = "how many of a command run at once"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
