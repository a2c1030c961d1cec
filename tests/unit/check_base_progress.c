#include "check_base.h"

#include "base/log.h"
#include "base/plot.h"
#include "base/progress.h"

#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What `work` writes on standard error, which is a terminal of its own with so many columns, or a pipe (0). */
static const char *shown(void (*work)(void), int columns)
{
    static char text[20000];
    int ends[2];
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    pid_t child;
    if (columns) {
        child = forkpty(&ends[0], NULL, NULL, &size);
    } else {
        ck_assert_int_eq(pipe(ends), 0);
        child = fork();
        if (child == 0)
            dup2(ends[1], 2);
    }
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        lm_program_name_set("tok");
        int out = open("/dev/null", O_WRONLY);
        dup2(out, 1);
        work();
        _exit(0);
    }
    if (!columns)
        close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len < sizeof text - 1 && (got = read(ends[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
    return text;
}

static void count_to_ten(void)
{
    lm_progress_begin("reading", "rows", 10);
    for (unsigned i = 0; i <= 10; i++) {
        lm_progress_update(i, "loss 2.31");
        if (i == 6)
            lm_warn("row 6 is odd");
        usleep(40000);
    }
    lm_progress_end();
}

static void count_always(void)
{
    lm_progress_mode_set(LM_PROGRESS_ALWAYS);
    lm_progress_begin("reading", "B", 0);
    lm_progress_update(0, NULL);
    usleep(1100000);
    lm_progress_update(3 << 20, NULL);
    lm_progress_end();
}

static void count_in_a_pipeline(void)
{
    int ends[2];
    if (pipe(ends) == 0)
        dup2(ends[1], 1);
    count_to_ten();
}

static void never(void)
{
    lm_progress_mode_set(LM_PROGRESS_NEVER);
    count_to_ten();
}

START_TEST(bar_on_a_terminal)
{
    const char *text = shown(count_to_ten, 100), *warning = "\r\033[Ktok: warning: row 6 is odd\r\n";
    ck_assert_msg(strstr(text, "reading  ") && strstr(text, "/10 rows") && strstr(text, "rows/s, loss 2.31"), "%s", text);
    const char *at = strstr(text, warning);
    ck_assert_msg(at != NULL, "%s", text);
    ck_assert_msg(strncmp(at + strlen(warning), "reading ", 8) == 0, "drawn again after a message: %s", at);
    ck_assert_msg(strcmp(text + strlen(text) - 4, "\r\033[K") == 0, "cleared at the end");
}
END_TEST

START_TEST(narrow_terminals_get_what_fits)
{
    const char *text = shown(count_to_ten, 50); /* the note before the bar */
    ck_assert_msg(strstr(text, "rows/s, loss 2.31") && !strchr(text, '='), "%s", text);
    text = shown(count_to_ten, 40);
    ck_assert_msg(strstr(text, "rows, loss 2.31") && !strstr(text, "rows/s"), "%s", text);
    text = shown(count_to_ten, 25);
    ck_assert_msg(strstr(text, "/10 rows, loss 2.31\r") && !strstr(text, "reading"), "%s", text);
    text = shown(count_to_ten, 20); /* no part of a number, which would be another number */
    ck_assert_msg(strstr(text, "/10 rows, loss\r") && !strstr(text, "reading"), "%s", text);
    text = shown(count_to_ten, 4);
    ck_assert_msg(!strstr(text, "/10"), "%s", text);
}
END_TEST

START_TEST(silent_elsewhere)
{
    ck_assert_str_eq(shown(count_to_ten, 0), "tok: warning: row 6 is odd\n");
    ck_assert_str_eq(shown(count_in_a_pipeline, 80), "tok: warning: row 6 is odd\r\n");
    ck_assert_str_eq(shown(never, 80), "tok: warning: row 6 is odd\r\n");
    const char *text = shown(count_always, 0);
    ck_assert_msg(strncmp(text, "tok: reading: 3.0 MiB, 2.", 25) == 0, "%s", text);
}
END_TEST

static double square_with_a_gap(const void *context, double x)
{
    (void)context;
    return x > 3 && x < 6 ? NAN : x * x;
}

static double always_three(const void *context, double x)
{
    (void)context;
    return x < 0 ? 0 : 3;
}

static double nowhere(const void *context, double x)
{
    (void)context;
    return x / 0.0;
}

START_TEST(plots_of_curves)
{
    lm_buf out = {0};
    lm_plot p = {.title = "title", .unit = "x", .last = 9, .columns = 24, .rows = 3};
    lm_plot_print(&p, square_with_a_gap, NULL, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "title\n"
                                        "       81 │          ⢀⠤⠊\n"
                                        "          │        ⠠⠒⠁\n"
                                        "        0 │⣀⣀⣀⠤⠄\n"
                                        "           0     x     9\n");
    out.len = 0;
    p.ascii = true;
    lm_plot_print(&p, square_with_a_gap, NULL, &out);
    lm_plot_print(&p, always_three, NULL, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "title\n"
                                        "       81 |          ..'\n"
                                        "          |        .''\n"
                                        "        0 |.....\n"
                                        "           0     x     9\n"
                                        "title\n"
                                        "        3 |\n"
                                        "          |'''''''''''''\n"
                                        "          |\n"
                                        "           0     x     9\n");
    out.len = 0;
    p = (lm_plot){.title = "", .unit = "a long unit", .last = 1e9, .columns = 1, .rows = 1, .ascii = true};
    lm_plot_print(&p, always_three, NULL, &out); /* too narrow for all of it */
    ck_assert_str_eq(lm_buf_cstr(&out), "\n        3 |''''''''''\n           0    1e+09\n");
    out.len = 0;
    lm_plot_print(&p, nowhere, NULL, &out);
    ck_assert_uint_eq(out.len, 0);
    lm_buf_free(&out);
}
END_TEST

TCase *base_progress(void)
{
    TCase *c = tcase_create("progress");
    tcase_set_timeout(c, 30);
    tcase_add_test(c, bar_on_a_terminal);
    tcase_add_test(c, narrow_terminals_get_what_fits);
    tcase_add_test(c, silent_elsewhere);
    tcase_add_test(c, plots_of_curves);
    return c;
}
