#include "base/line_filter.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>

const char *const lm_filter_runs_names[] = {"auto", "kept", "batch", NULL};

/* Faults in a row, without a line that was answered before or among them, that make a command no good; and the same for ones that
 * it hung at, each of which has taken the whole time, whatever was answered before. */
enum { FAULTS_IN_VAIN = 8, HANGS_IN_A_ROW = 3 };

struct lm_line_filter {
    lm_line_filter_options o;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t given_back;
    lm_coprocess **idle;  /* [jobs] NULL = to be started */
    int idle_count;
    lm_filter_runs habit; /* how it was seen to answer; LM_RUNS_AUTO = not known yet */
    lm_line_filter_counts counts;
    int hangs;
};

lm_line_filter *lm_line_filter_new(const lm_line_filter_options *options)
{
    lm_line_filter *f = lm_calloc(1, sizeof *f);
    f->o = *options;
    f->idle_count = f->o.jobs = f->o.jobs > 0 ? f->o.jobs : 1;
    f->idle = lm_calloc((size_t)f->o.jobs, sizeof *f->idle);
    f->habit = f->o.runs;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->given_back, NULL);
    return f;
}

void lm_line_filter_free(lm_line_filter *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->idle_count; i++)
        lm_coprocess_stop(f->idle[i]);
    pthread_cond_destroy(&f->given_back);
    pthread_mutex_destroy(&f->lock);
    free(f->idle);
    free(f);
}

lm_line_filter_counts lm_line_filter_counted(const lm_line_filter *f)
{
    return f->counts;
}

/* ------------------------------------------------------------------ one call */

/* A call of lm_line_filter_ask. */
typedef struct asking {
    lm_line_filter *filter;
    const lm_str *lines;
    lm_line_answer *answers;
    lm_str *texts;           /* [count] room */
    lm_arena *arena;
    lm_coprocess *process;   /* NULL = to be started */
    bool told;               /* that there is trouble */
    lm_status *st;
} asking;

/* A part of the lines. */
typedef struct part {
    size_t from, to;
    bool guessed; /* part of one that was cut where the first fault seemed to be */
} part;

static lm_coprocess *take_process(lm_line_filter *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->idle_count == 0)
        pthread_cond_wait(&f->given_back, &f->lock);
    lm_coprocess *p = f->idle[--f->idle_count];
    pthread_mutex_unlock(&f->lock);
    return p;
}

static void give_process_back(lm_line_filter *f, lm_coprocess *p)
{
    pthread_mutex_lock(&f->lock);
    f->idle[f->idle_count++] = p;
    pthread_cond_signal(&f->given_back);
    pthread_mutex_unlock(&f->lock);
}

static bool astray(const lm_line_filter *f, lm_status *st)
{
    return lm_fail(st, LM_FAILED,
                   "'%s': it has written more lines than it was given, so that it is not known which of them answer which: "
                   "give a command that writes a line for each",
                   f->o.command);
}

static void put_answers(asking *a, part p)
{
    for (size_t i = p.from; i < p.to; i++) {
        lm_str text = a->texts[i];
        a->answers[i].text = (lm_str){lm_arena_strndup(a->arena, text.data, text.len), text.len};
    }
    lm_line_filter *f = a->filter;
    pthread_mutex_lock(&f->lock);
    f->counts.answered += p.to - p.from;
    f->hangs = 0;
    pthread_mutex_unlock(&f->lock);
}

/* Asks for the answers of a part. *answered: how many lines it got to. */
static lm_exchange ask_part(asking *a, part p, lm_coprocess_input input, size_t *answered)
{
    lm_line_filter *f = a->filter;
    *answered = 0;
    if (!a->process) {
        a->process = lm_coprocess_start(f->o.command, f->o.timeout, f->o.end, a->st);
        if (!a->process)
            return LM_EXCHANGE_STOPPED;
        pthread_mutex_lock(&f->lock);
        f->counts.starts++;
        pthread_mutex_unlock(&f->lock);
    }
    lm_exchange e =
        lm_coprocess_exchange(a->process, a->lines + p.from, p.to - p.from, input, a->texts + p.from, answered, a->st);
    if (e == LM_EXCHANGE_DONE)
        put_answers(a, p);
    return e;
}

/* What is wrong, for people. Fails where the shell could not run the command. */
static const char *describe(asking *a, lm_exchange e)
{
    lm_buf what = {0};
    switch (e) {
    case LM_EXCHANGE_FEW:
        lm_buf_puts(&what, "fewer lines than it was given");
        break;
    case LM_EXCHANGE_MANY:
        lm_buf_puts(&what, "more lines than it was given");
        break;
    case LM_EXCHANGE_LATE:
        lm_buf_printf(&what, "no answer for %g seconds", a->filter->o.timeout);
        break;
    case LM_EXCHANGE_LONG:
        lm_buf_puts(&what, "an answer without end");
        break;
    default: {
        int status = lm_coprocess_fate(a->process, &what);
        if (status == 126 || status == 127)
            lm_fail(a->st, LM_FAILED, "'%s': it cannot be run (exit status %d): is it installed?", a->filter->o.command, status);
    }
    }
    const char *text = lm_arena_strndup(a->arena, lm_buf_cstr(&what), what.len);
    lm_buf_free(&what);
    return text;
}

static bool put_fault(asking *a, size_t i, lm_exchange e)
{
    lm_line_filter *f = a->filter;
    a->answers[i].fault = describe(a, e);
    pthread_mutex_lock(&f->lock);
    f->counts.faults++;
    int hangs = f->hangs += e == LM_EXCHANGE_LATE;
    bool in_vain = (f->counts.answered == 0 && f->counts.faults >= FAULTS_IN_VAIN) || hangs >= HANGS_IN_A_ROW;
    pthread_mutex_unlock(&f->lock);
    if (in_vain && lm_ok(a->st))
        lm_fail(a->st, LM_FAILED, "'%s': %s, for %d lines, each given to it alone: try it on a line or two by hand%s",
                f->o.command, a->answers[i].fault, hangs >= HANGS_IN_A_ROW ? HANGS_IN_A_ROW : FAULTS_IN_VAIN,
                f->o.end == LM_END_PARAGRAPH ? " (behind each is an empty line, unless --command-input is lines)" : "");
    return lm_ok(a->st);
}

/* Parts that are still to be asked for; the last one is next. */
typedef struct parts {
    part *items;
    size_t count, cap;
} parts;

static void push(parts *s, size_t from, size_t to, bool guessed)
{
    if (from >= to)
        return;
    LM_GROW(s->items, s->count, s->cap);
    s->items[s->count++] = (part){from, to, guessed};
}

/* Cuts a part that failed: where it seems to have failed at the line behind those that were answered, around that one; else
 * into halves. A guess is followed by halves, so that wrong ones cost little. */
static void cut(parts *s, part p, lm_exchange e, size_t answered)
{
    bool tells = e != LM_EXCHANGE_FEW && answered && !p.guessed;
    if (tells && answered < p.to - p.from) {
        size_t at = p.from + answered;
        push(s, at + 1, p.to, true);
        push(s, p.from, at, true);
        push(s, at, at + 1, true);
    } else {
        size_t middle = p.from + (p.to - p.from) / 2;
        push(s, middle, p.to, false);
        push(s, p.from, middle, false);
    }
}

/* Finds the lines of a part that the command fails at: a process for each try, whose input ends behind the lines. */
static bool find_faults(asking *a, part whole)
{
    parts left = {0};
    push(&left, whole.from, whole.to, false);
    bool found = false;
    while (left.count && lm_ok(a->st) && !(found && a->filter->o.first_fault)) {
        part p = left.items[--left.count];
        size_t answered;
        lm_coprocess_stop(a->process);
        a->process = NULL;
        lm_exchange e = ask_part(a, p, LM_INPUT_CLOSED, &answered);
        if (e == LM_EXCHANGE_DONE || e == LM_EXCHANGE_STOPPED)
            continue;
        if (p.to - p.from == 1) {
            found = true;
            put_fault(a, p.from, e);
        } else {
            cut(&left, p, e, answered);
            const char *what = describe(a, e);
            if (!a->told && lm_ok(a->st))
                lm_warn("'%s': %s, given %zu: looking for the lines that it cannot take", a->filter->o.command, what,
                        p.to - p.from);
            a->told = true;
        }
    }
    free(left.items);
    return lm_ok(a->st);
}

/* The input of a process that is asked for all lines of a call. */
static lm_coprocess_input input_of(lm_line_filter *f)
{
    static const lm_coprocess_input inputs[] = {LM_INPUT_ANSWERED, LM_INPUT_KEPT, LM_INPUT_CLOSED};
    pthread_mutex_lock(&f->lock);
    lm_coprocess_input input = inputs[f->habit];
    pthread_mutex_unlock(&f->lock);
    return input;
}

/* All is answered for the first time. */
static void note_habit(lm_line_filter *f, lm_filter_runs seen)
{
    pthread_mutex_lock(&f->lock);
    bool first = f->habit == LM_RUNS_AUTO;
    if (first)
        f->habit = seen;
    pthread_mutex_unlock(&f->lock);
    if (first && seen == LM_RUNS_BATCH)
        lm_info("'%s' answers at the end of its input: it is started for each batch", f->o.command);
}

bool lm_line_filter_ask(lm_line_filter *f, const lm_str *lines, size_t count, lm_line_answer *answers, lm_arena *arena,
                        lm_status *st)
{
    if (!count)
        return true;
    asking a = {.filter = f, .lines = lines, .answers = answers, .arena = arena, .st = st};
    memset(answers, 0, count * sizeof *answers);
    a.texts = lm_malloc(count, sizeof *a.texts);
    a.process = take_process(f);
    part all = {.to = count};
    size_t answered;
    lm_coprocess_input input = input_of(f);
    lm_exchange e = ask_part(&a, all, input, &answered);
    if (e == LM_EXCHANGE_DONE && input == LM_INPUT_ANSWERED)
        note_habit(f, lm_coprocess_saw_end(a.process) ? LM_RUNS_BATCH : LM_RUNS_KEPT);
    if (e == LM_EXCHANGE_ASTRAY)
        astray(f, st);
    else if (e != LM_EXCHANGE_DONE && e != LM_EXCHANGE_STOPPED)
        find_faults(&a, all);
    if (a.process && !(e == LM_EXCHANGE_DONE && lm_coprocess_open(a.process))) {
        lm_coprocess_stop(a.process);
        a.process = NULL;
    }
    give_process_back(f, a.process);
    free(a.texts);
    return lm_ok(st);
}

bool lm_line_filter_finish(lm_line_filter *f, lm_status *st)
{
    for (int i = 0; i < f->idle_count; i++) {
        if (f->idle[i] && lm_coprocess_finish(f->idle[i], st) == LM_EXCHANGE_ASTRAY)
            astray(f, st);
        lm_coprocess_stop(f->idle[i]);
        f->idle[i] = NULL;
    }
    return lm_ok(st);
}
