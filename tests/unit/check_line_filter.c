/* Commands of the user's that answer line by line: each way in which they may behave, and misbehave. */
#include "unit.h"

#include "base/coprocess.h"
#include "base/line_filter.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static lm_status st;
static lm_arena *arena;
static lm_line_answer answers[20000];
static lm_str lines[20000];

static void prepare(void)
{
    lm_status_clear(&st);
    arena = lm_arena_new(0);
    lm_log_level(LM_ERROR);
}

static void tidy(void)
{
    lm_arena_free(arena);
}

static lm_line_filter *filter(const char *command, lm_filter_runs runs, double timeout)
{
    return lm_line_filter_new(
        &(lm_line_filter_options){.command = command, .timeout = timeout, .jobs = 1, .end = LM_END_LINE, .runs = runs});
}

/* Lines "0 x", "1 x" ... */
static void number_lines(size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "%zu %s", i, what);
        lines[i] = (lm_str){lm_arena_strndup(arena, text, (size_t)n), (size_t)n};
    }
}

static void same_answer(size_t i, const char *format)
{
    char want[64];
    snprintf(want, sizeof want, format, i);
    ck_assert_msg(!answers[i].fault, "line %zu: %s", i, answers[i].fault);
    ck_assert_msg(lm_str_is(answers[i].text, want), "line %zu: '%.*s', not '%s'", i, (int)answers[i].text.len,
                  answers[i].text.data, want);
}

/* One that answers at once stays; one that waits for the end is started for each call; what they say is the same. */
START_TEST(kept_and_started_anew)
{
    static const struct {
        const char *command;
        lm_filter_runs runs;
        uint64_t starts;
    } cases[] = {{"while read -r line; do echo \"$line!\"; done", LM_RUNS_AUTO, 2},
                 {"while read -r line; do echo \"$line!\"; done", LM_RUNS_KEPT, 1},
                 {"while read -r line; do echo \"$line!\"; done", LM_RUNS_BATCH, 3},
                 {"sed 's/$/!/'", LM_RUNS_AUTO, 3},
                 {"sort -n | sed 's/$/!/'", LM_RUNS_BATCH, 3},
                 {"sleep 1.5; while read -r line; do echo \"$line!\"; done", LM_RUNS_AUTO, 2}}; /* it loads for a while */
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        lm_line_filter *f = filter(cases[c].command, cases[c].runs, 20);
        for (int call = 0; call < 3; call++) {
            number_lines(50, "말");
            ck_assert_msg(lm_line_filter_ask(f, lines, 50, answers, arena, &st), "%s: %s", cases[c].command, st.message);
            for (size_t i = 0; i < 50; i++)
                same_answer(i, "%zu 말!");
        }
        ck_assert(lm_line_filter_ask(f, lines, 0, answers, arena, &st));
        ck_assert_msg(lm_line_filter_finish(f, &st), "%s", st.message);
        lm_line_filter_counts n = lm_line_filter_counted(f);
        ck_assert_msg(n.starts == cases[c].starts, "%s: started %d times", cases[c].command, (int)n.starts);
        ck_assert_uint_eq(n.answered, 150);
        ck_assert_uint_eq(n.faults, 0);
        lm_line_filter_free(f);
    }
}
END_TEST

/* More goes in and out than pipes hold, whichever the program does first. */
START_TEST(much)
{
    static const char *const commands[] = {"cat", "sort -n", "awk '{ print; fflush() }'"};
    for (size_t c = 0; c < 3; c++) {
        lm_line_filter *f = filter(commands[c], LM_RUNS_AUTO, 20);
        number_lines(20000, "a line that is a little longer than the others were");
        ck_assert_msg(lm_line_filter_ask(f, lines, 20000, answers, arena, &st), "%s: %s", commands[c], st.message);
        for (size_t i = 0; i < 20000; i++)
            ck_assert(lm_str_equal(answers[i].text, lines[i]));
        ck_assert(lm_line_filter_finish(f, &st));
        lm_line_filter_free(f);
    }
}
END_TEST

/* Lines 3 and 17 are fatal to these: all others get their answers. */
START_TEST(faults)
{
    static const struct {
        const char *command, *fault;
        double timeout;
    } cases[] = {
        {"while read -r n x; do case $n in 3|17) exit 9;; esac; echo \"$n.\"; done", "exit status 9", 20},
        {"awk '$1 == 3 || $1 == 17 { exit 4 } { print $1 \".\" }'", "exit status 4", 20},
        {"while read -r n x; do case $n in 3|17) kill -SEGV $$;; esac; echo \"$n.\"; done", "signal 11 (Segmentation fault)", 20},
        {"while read -r n x; do case $n in 3|17) ;; *) echo \"$n.\";; esac; done", "fewer lines than it was given", 20},
        {"sed -n '/^3 /d; /^17 /d; s/ .*/./p'", "fewer lines than it was given", 20},
        {"while read -r n x; do echo \"$n.\"; case $n in 3|17) echo;; esac; done", "more lines than it was given", 20},
        {"sed 's/ .*/./; /^3[.]/p; /^17[.]/p'", "more lines than it was given", 20},
        {"awk '{ print $1 \".\"; fflush() } $1 == 3 || $1 == 17 { while (1) printf \"y\" }'", "more lines than it was given", 20},
        {"awk '$1 == 3 || $1 == 17 { while (1) printf \"y\" } { print $1 \".\" }'", "an answer without end", 20},
        {"while read -r n x; do case $n in 3|17) sleep 100;; esac; echo \"$n.\"; done", "no answer for 0.5 seconds", 0.5}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        lm_line_filter *f = filter(cases[c].command, LM_RUNS_AUTO, cases[c].timeout);
        number_lines(40, "x");
        ck_assert_msg(lm_line_filter_ask(f, lines, 40, answers, arena, &st), "%s: %s", cases[c].command, st.message);
        for (size_t i = 0; i < 40; i++) {
            if (i != 3 && i != 17) {
                same_answer(i, "%zu.");
                continue;
            }
            ck_assert_msg(answers[i].fault && strcmp(answers[i].fault, cases[c].fault) == 0, "%s: line %zu: %s",
                          cases[c].command, i, answers[i].fault ? answers[i].fault : "has an answer");
        }
        lm_line_filter_counts n = lm_line_filter_counted(f);
        ck_assert_uint_eq(n.faults, 2);
        ck_assert_uint_eq(n.answered, 38);
        ck_assert_uint_le(n.starts, 30);
        lm_line_filter_free(f);
    }
}
END_TEST

/* An empty line behind each shows at once which line is answered by two, or by none. */
START_TEST(paragraphs)
{
    static const struct {
        const char *command, *fault;
        lm_filter_runs runs;
    } cases[] = {{"sed -u 's/ .*/./; /^3[.]/p'", "more lines than it was given", LM_RUNS_KEPT},
                 {"sed 's/ .*/./; /^3[.]/p'", "more lines than it was given", LM_RUNS_AUTO},
                 {"awk '/^3 / { next } { if (NF) $0 = $1 \".\"; print; fflush() }'", NULL, LM_RUNS_AUTO},
                 {"awk '/^3 / { exit 2 } { if (NF) $0 = $1 \".\"; print; fflush() }'", "exit status 2", LM_RUNS_KEPT},
                 {"sed 's/ .*/./' | awk '{ if (NR > 1) printf \"\\n\"; printf \"%s\", $0 }'", "", LM_RUNS_AUTO}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        lm_line_filter *f = lm_line_filter_new(&(lm_line_filter_options){
            .command = cases[c].command, .timeout = 20, .jobs = 1, .end = LM_END_PARAGRAPH, .runs = cases[c].runs});
        number_lines(10, "x");
        ck_assert_msg(lm_line_filter_ask(f, lines, 10, answers, arena, &st), "%s: %s", cases[c].command, st.message);
        for (size_t i = 0; i < 10; i++) {
            const char *fault = cases[c].fault;
            if (i != 3 || (fault && !*fault))
                same_answer(i, "%zu.");
            else if (fault)
                ck_assert_msg(answers[i].fault && strcmp(answers[i].fault, fault) == 0, "%s: %s", cases[c].command,
                              answers[i].fault ? answers[i].fault : "has an answer");
            else
                ck_assert_uint_eq(answers[i].text.len, 0); /* the empty line stands for it */
        }
        ck_assert_msg(lm_line_filter_finish(f, &st), "%s", st.message);
        lm_line_filter_free(f);
    }
}
END_TEST

START_TEST(gives_up_at_first_fault)
{
    lm_line_filter *f = lm_line_filter_new(&(lm_line_filter_options){
        .command = "sed '/^[3-9] /d'", .timeout = 20, .jobs = 1, .end = LM_END_LINE, .first_fault = true});
    number_lines(40, "x");
    ck_assert(lm_line_filter_ask(f, lines, 40, answers, arena, &st));
    ck_assert_str_eq(answers[3].fault, "fewer lines than it was given");
    ck_assert_uint_eq(lm_line_filter_counted(f).faults, 1);
    lm_line_filter_free(f);
}
END_TEST

/* What is no good at all ends the run, soon. */
START_TEST(no_good)
{
    static const struct {
        const char *command, *message;
        double timeout;
    } cases[] = {{"nosuchprogram 2>/dev/null", "it cannot be run (exit status 127)", 20},
                 {"exit 1", "'exit 1': exit status 1, for 8 lines", 20},
                 {"true", "'true': fewer lines than it was given, for 8 lines", 20},
                 {"sed p", "more lines than it was given, for 8 lines", 20},
                 {"sleep 100 | sleep 100", "no answer for 0.2 seconds, for 3 lines", 0.2},
                 {"exec >/dev/null; sleep 100", "no answer for 0.2 seconds, for 3 lines", 0.2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        lm_line_filter *f = filter(cases[c].command, LM_RUNS_AUTO, cases[c].timeout);
        lm_status_clear(&st);
        number_lines(40, "x");
        ck_assert_msg(!lm_line_filter_ask(f, lines, 40, answers, arena, &st), "%s was taken", cases[c].command);
        ck_assert_msg(strstr(st.message, cases[c].message) != NULL, "%s", st.message);
        lm_line_filter_free(f);
    }
}
END_TEST

/* More lines than questions, seen only when something else is asked, or at the end: nobody knows what belongs to what. */
START_TEST(astray)
{
    const char *command = "while read -r n; do echo \"$n\"; sleep 0.2; echo more; done";
    lm_line_filter *f = filter(command, LM_RUNS_KEPT, 20);
    number_lines(1, "x");
    ck_assert(lm_line_filter_ask(f, lines, 1, answers, arena, &st));
    nanosleep(&(struct timespec){0, 500000000}, NULL);
    ck_assert(!lm_line_filter_ask(f, lines, 1, answers, arena, &st));
    ck_assert_msg(strstr(st.message, "more lines than it was given, so that") != NULL, "%s", st.message);
    lm_line_filter_free(f);
    lm_status_clear(&st);
    f = filter(command, LM_RUNS_KEPT, 20);
    ck_assert(lm_line_filter_ask(f, lines, 1, answers, arena, &st));
    ck_assert(!lm_line_filter_finish(f, &st));
    ck_assert_msg(strstr(st.message, "more lines than it was given, so that") != NULL, "%s", st.message);
    lm_line_filter_free(f);
}
END_TEST

/* One that ends between two calls is started again, and nothing is its fault. */
START_TEST(restarted)
{
    lm_line_filter *f = filter("for i in 1 2 3; do read -r line && echo \"$line\"; done", LM_RUNS_KEPT, 20);
    number_lines(3, "x");
    for (int call = 0; call < 3; call++) {
        ck_assert_msg(lm_line_filter_ask(f, lines, 3, answers, arena, &st), "%s", st.message);
        for (size_t i = 0; i < 3; i++)
            same_answer(i, "%zu x");
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    ck_assert_uint_eq(lm_line_filter_counted(f).starts, 3);
    ck_assert_uint_eq(lm_line_filter_counted(f).faults, 0);
    lm_line_filter_free(f);
}
END_TEST

/* NUL ends records that hold line ends. */
START_TEST(nul_ends)
{
    lm_line_filter *f = lm_line_filter_new(
        &(lm_line_filter_options){.command = "sed -z 's/a/b/g'", .timeout = 20, .jobs = 1, .end = LM_END_NUL});
    lines[0] = lm_str_of("a\na");
    lines[1] = lm_str_of("");
    lines[2] = lm_str_of("가\n\na");
    ck_assert_msg(lm_line_filter_ask(f, lines, 3, answers, arena, &st), "%s", st.message);
    ck_assert(lm_str_is(answers[0].text, "b\nb"));
    ck_assert_uint_eq(answers[1].text.len, 0);
    ck_assert(lm_str_is(answers[2].text, "가\n\nb"));
    lm_line_filter_free(f);
}
END_TEST

static void *ask_many_times(void *context)
{
    lm_line_filter *f = context;
    lm_arena *room = lm_arena_new(0);
    lm_line_answer got[3];
    lm_str three[3] = {{"x", 1}, {"y", 1}, {"z", 1}};
    lm_status mine = LM_STATUS_INIT;
    bool right = true;
    for (int i = 0; i < 50; i++) {
        right &= lm_line_filter_ask(f, three, 3, got, room, &mine);
        right &= lm_str_is(got[0].text, "x!") && lm_str_is(got[2].text, "z!");
        lm_arena_reset(room);
    }
    lm_arena_free(room);
    return right ? f : NULL;
}

/* Two processes serve eight threads. */
START_TEST(shared)
{
    pthread_t threads[8];
    lm_line_filter *f = lm_line_filter_new(&(lm_line_filter_options){
        .command = "while read -r line; do echo \"$line!\"; done",
        .timeout = 20, .jobs = 2, .end = LM_END_LINE, .runs = LM_RUNS_KEPT});
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_many_times, f), 0);
    for (int i = 0; i < 8; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_nonnull(result);
    }
    ck_assert_uint_le(lm_line_filter_counted(f).starts, 2);
    ck_assert(lm_line_filter_finish(f, &st));
    lm_line_filter_free(f);
}
END_TEST

/* What a command has started in the background ends with it. */
START_TEST(ends_as_a_whole)
{
    lm_coprocess *p = lm_coprocess_start("read -r line; sleep 1000 & echo $!; wait", 5, LM_END_LINE, &st);
    ck_assert_ptr_nonnull(p);
    lm_str answer, question = {"x", 1};
    size_t answered;
    ck_assert_int_eq(lm_coprocess_exchange(p, &question, 1, LM_INPUT_KEPT, &answer, &answered, &st), LM_EXCHANGE_DONE);
    pid_t sleeper = (pid_t)strtol(answer.data, NULL, 10);
    ck_assert_int_eq(kill(sleeper, 0), 0);
    lm_coprocess_stop(p);
    for (int i = 0; i < 100 && kill(sleeper, 0) == 0; i++) { /* until somebody has waited for it */
        char path[64], state = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)sleeper);
        FILE *stat = fopen(path, "re");
        int n = stat ? fscanf(stat, "%*d %*s %c", &state) : 0;
        if (stat)
            fclose(stat);
        if (n == 1 && state == 'Z')
            return;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    ck_assert(kill(sleeper, 0) != 0 && errno == ESRCH);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("line_filter");
    TCase *c = tcase_create("commands");
    tcase_add_checked_fixture(c, prepare, tidy);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, kept_and_started_anew);
    tcase_add_test(c, much);
    tcase_add_test(c, faults);
    tcase_add_test(c, paragraphs);
    tcase_add_test(c, gives_up_at_first_fault);
    tcase_add_test(c, no_good);
    tcase_add_test(c, astray);
    tcase_add_test(c, restarted);
    tcase_add_test(c, nul_ends);
    tcase_add_test(c, shared);
    tcase_add_test(c, ends_as_a_whole);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
