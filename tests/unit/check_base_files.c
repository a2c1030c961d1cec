#include "check_base.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static lm_status st;
static char scratch[64];

static void setup(void)
{
    lm_log_level(LM_WARNING);
    lm_status_clear(&st);
    snprintf(scratch, sizeof scratch, "/tmp/lmutils-check-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    ck_assert_int_eq(chdir(scratch), 0);
}

static void teardown(void)
{
    char *command = lm_format("rm -rf %s", scratch);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

static void put(const char *path, const char *text)
{
    ck_assert_msg(lm_file_write(path, text, strlen(text), &st), "%s", st.message);
}

static void holds(const char *path, const char *text)
{
    char *bytes;
    size_t n;
    ck_assert_msg(lm_file_read(path, 1000, &bytes, &n, &st), "%s", st.message);
    ck_assert_str_eq(bytes, text);
    ck_assert_uint_eq(n, strlen(text));
    free(bytes);
}

static bool exists(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0;
}

/* Entries of the scratch directory. */
static int entries(void)
{
    int n = 0;
    DIR *dir = opendir(".");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static lm_output_file *opened(const char *path, const char *text)
{
    lm_output_file *f = lm_output_file_open(path, &st);
    assert_ok(&st);
    ck_assert(lm_write_all(lm_output_file_fd(f), text, strlen(text), path, &st));
    return f;
}

START_TEST(file_appears_whole)
{
    put("out", "old");
    chmod("out", 0640);
    lm_output_file *f = opened("out", "new");
    holds("out", "old");
    ck_assert(lm_output_file_publish(f, &st));
    holds("out", "new");
    struct stat s;
    stat("out", &s);
    ck_assert_int_eq(s.st_mode & 0777, 0640);

    f = opened("out", "never");
    lm_output_file_discard(f, false);
    holds("out", "new");
    ck_assert_int_eq(entries(), 1);

    f = opened("out", "half");
    lm_output_file_discard(f, true);
    holds("out", "new");
    holds("out.partial", "half");
    ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(file_follows_links_and_names_trouble)
{
    put("real", "old");
    ck_assert_int_eq(symlink("real", "link"), 0);
    ck_assert(lm_output_file_publish(opened("link", "new"), &st));
    holds("real", "new");
    struct stat s;
    ck_assert(lstat("link", &s) == 0 && S_ISLNK(s.st_mode));

    ck_assert_ptr_null(lm_output_file_open("nowhere/out", &st));
    ck_assert_str_eq(st.message, "nowhere/out: cannot be made: No such file or directory");
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_output_file_open(".", &st));
    ck_assert_str_eq(st.message, ".: is a directory: give the name of a file");
    lm_status_clear(&st);

    lm_output_file *f = lm_output_file_open("/dev/full", &st);
    assert_ok(&st);
    ck_assert(!lm_write_all(lm_output_file_fd(f), "x", 1, "/dev/full", &st));
    ck_assert_int_eq(st.code, LM_FAILED);
    ck_assert_str_eq(st.message, "/dev/full: cannot be written: No space left on device");
    lm_output_file_discard(f, true);
    ck_assert(!exists("/dev/full.partial"));
}
END_TEST

START_TEST(leftovers_are_cleared_but_not_the_living)
{
    put(".out.lmutils-tmp-0123", "dead");
    put(".outer.lmutils-tmp-0123", "another's");
    lm_output_file *living = opened("out", "a"), *second = opened("out", "b");
    ck_assert(!exists(".out.lmutils-tmp-0123"));
    ck_assert(exists(".outer.lmutils-tmp-0123"));
    ck_assert(lm_output_file_publish(living, &st));
    ck_assert(lm_output_file_publish(second, &st));
    holds("out", "b");
}
END_TEST

static void fill(lm_output_dir *d, const char *name, const char *text)
{
    char *path = lm_format("%s/%s", lm_output_dir_path(d), name);
    put(path, text);
    free(path);
}

START_TEST(directory_appears_whole)
{
    lm_output_dir *d = lm_output_dir_open("model/", &st);
    assert_ok(&st);
    fill(d, "config.json", "1");
    fill(d, "vocab.txt", "v");
    ck_assert(!exists("model"));
    ck_assert_msg(lm_output_dir_publish(d, &st), "%s", st.message);
    holds("model/config.json", "1");

    put("model/notes.txt", "mine");
    ck_assert_int_eq(mkdir("model/.git", 0777), 0);
    put("model/.git/HEAD", "ref");
    d = lm_output_dir_open("model", &st);
    fill(d, "config.json", "2");
    ck_assert_msg(lm_output_dir_publish(d, &st), "%s", st.message);
    holds("model/config.json", "2");
    holds("model/notes.txt", "mine");
    holds("model/.git/HEAD", "ref");
    ck_assert_msg(!exists("model/vocab.txt"), "the old model's vocabulary would be read with the new one");
    ck_assert_int_eq(entries(), 1);

    d = lm_output_dir_open("model", &st);
    fill(d, "config.json", "3");
    lm_output_dir_discard(d);
    holds("model/config.json", "2");
    ck_assert_int_eq(entries(), 1);
}
END_TEST

START_TEST(directory_refuses_a_file)
{
    put("file", "x");
    ck_assert_ptr_null(lm_output_dir_open("file", &st));
    ck_assert_str_eq(st.message, "file: is not a directory: give the name of a directory, new or old");
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_output_dir_open("no/where", &st));
    ck_assert_int_eq(st.code, LM_FAILED);
}
END_TEST

/* A process killed at each stage leaves the old or the new directory whole, and the next one clears up. */
START_TEST(killed_directories_are_cleared)
{
    put("keep", "");
    mkdir("model", 0777);
    put("model/config.json", "old");
    mkdir(".model.lmutils-new-aa", 0777); /* killed while filling */
    put(".model.lmutils-new-aa/config.json", "half");
    mkdir(".model.lmutils-out-bb", 0777); /* killed after the exchange */
    put(".model.lmutils-out-bb/config.json", "older");
    put(".model.lmutils-out-bb/mine", "mine");
    lm_output_dir_discard(lm_output_dir_open("model", &st));
    assert_ok(&st);
    holds("model/config.json", "old");
    holds("model/mine", "mine");
    ck_assert_int_eq(entries(), 2);

    ck_assert_int_eq(rename("model", ".model.lmutils-old-cc"), 0); /* killed between moving aside and renaming */
    lm_output_dir_discard(lm_output_dir_open("model", &st));
    holds("model/config.json", "old");
    ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(whole_files)
{
    put("a", "hello");
    ck_assert(lm_file_copy("a", "b", &st));
    holds("b", "hello");
    char *bytes;
    size_t n;
    ck_assert(!lm_file_read("a", 4, &bytes, &n, &st));
    ck_assert_msg(strstr(st.message, "longer than 4 bytes"), "%s", st.message);
    lm_status_clear(&st);
    ck_assert(lm_file_read("a", 5, &bytes, &n, &st));
    free(bytes);
    ck_assert(!lm_file_copy(".", "half", &st));
    ck_assert_msg(strstr(st.message, ".: cannot be read"), "%s", st.message);
    ck_assert(!exists("half"));
    lm_status_clear(&st);
    ck_assert(!lm_file_copy("/dev/zero", "/dev/full", &st));
    ck_assert(exists("/dev/full"));
    lm_status_clear(&st);
    ck_assert(!lm_file_read("/dev/zero", 100000, &bytes, &n, &st)); /* no size known, no end */
    ck_assert(strstr(st.message, "longer than"));
}
END_TEST

START_TEST(pipes_whose_reader_is_gone)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    ck_assert(!lm_write_all(ends[1], "x", 1, "standard output", &st));
    ck_assert_int_eq(st.code, LM_SIGNAL + SIGPIPE);
    close(ends[1]);
}
END_TEST

START_TEST(signals_set_a_flag_and_break_a_wait)
{
    signal(SIGHUP, SIG_IGN);
    lm_signals_catch();
    raise(SIGHUP);
    ck_assert_int_eq(lm_signal_pending(), 0);
    ck_assert(lm_signal_check(&st));

    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        usleep(50000);
        kill(parent, SIGTERM);
        usleep(50000);
        kill(parent, SIGINT); /* within half a second of the first: still only a flag */
        _exit(0);
    }
    static char much[1 << 20];
    ck_assert(!lm_write_all(ends[1], much, sizeof much, "pipe", &st)); /* nobody reads */
    ck_assert_int_eq(st.code, LM_SIGNAL + SIGTERM);
    waitpid(child, NULL, 0);
    ck_assert_int_eq(lm_signal_pending(), SIGTERM);
}
END_TEST

START_TEST(second_interrupt_ends)
{
    lm_signals_catch();
    raise(SIGINT);
    usleep(600000);
    raise(SIGINT);
}
END_TEST

START_TEST(messages_are_one_line)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], 2);
    lm_program_name_set("tok");
    lm_log_standing("12 %");
    lm_warn("a\nb\033[31m: %s", "gone");
    lm_info("not shown");
    char text[200];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    ck_assert_int_gt((int)n, 0);
    text[n] = '\0';
    ck_assert_str_eq(text, "12 %\r\033[Ktok: warning: a\\x0ab\\x1b[31m: gone\n12 %");
}
END_TEST

TCase *base_files(void)
{
    TCase *c = tcase_create("files and signals");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, file_appears_whole);
    tcase_add_test(c, file_follows_links_and_names_trouble);
    tcase_add_test(c, leftovers_are_cleared_but_not_the_living);
    tcase_add_test(c, directory_appears_whole);
    tcase_add_test(c, directory_refuses_a_file);
    tcase_add_test(c, killed_directories_are_cleared);
    tcase_add_test(c, whole_files);
    tcase_add_test(c, pipes_whose_reader_is_gone);
    tcase_add_test(c, signals_set_a_flag_and_break_a_wait);
    tcase_add_test(c, messages_are_one_line);
    return c;
}

TCase *base_interrupts(void)
{
    TCase *c = tcase_create("interrupts"); /* of its own: what ends by a signal tears nothing down */
    tcase_add_test_raise_signal(c, second_interrupt_ends, SIGINT);
    return c;
}
