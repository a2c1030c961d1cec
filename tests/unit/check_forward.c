/* Model streams that are read forward, tensor by tensor, give what a whole reading gives, and refuse what it refuses. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "stream/bundle.h"
#include "stream/lms.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 6, WIDTH = 4, ROW = WIDTH * 4 };

static float numbers[3][ROWS * WIDTH];

/* How a stream is made: rightly, or with one fault. */
typedef enum fault { NONE, ORDER, MISSING, MORE, SHAPE, DTYPE, HOLE, TOO_LONG, TWICE, LATE_INDEX, NO_INDEX, CUT, DAMAGED, FAULTS } fault;

static const char *const said[FAULTS] = {
    [ORDER] = "tensor \"b\", where the index announces a", [MISSING] = "\"c\" is announced and does not come",
    [MORE] = "tensor \"d\", where the index announces no more", [SHAPE] = "another dtype or shape than the index says",
    [DTYPE] = "another dtype or shape than the index says", [HOLE] = "parts do not follow one another",
    [TOO_LONG] = "record 7: `part` is not [first row, rows, total rows]", [TWICE] = "\"a\" is announced twice",
    [LATE_INDEX] = "an index behind the first tensor", [NO_INDEX] = "a tensor before the index", [CUT] = "the stream ends",
    [DAMAGED] = "the stream is damaged"};

static lm_column column(const char *name, int64_t rows, const float *data)
{
    return (lm_column){.name = name, .dtype = LM_F32, .shape = {2, {rows, WIDTH}}, .data = data, .bytes = (size_t)rows * ROW};
}

static void put(lm_lms_writer *w, json_t *header, const lm_column *columns, size_t count)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_lms_write(w, header, columns, count, &st), "%s", st.message);
    json_decref(header);
}

static void put_index(lm_lms_writer *w, const char *name, const char *dtype)
{
    put(w, json_pack("{s:{s:{s:s, s:[i, i]}}}", "index", name, "dtype", dtype, "shape", ROWS, WIDTH), NULL, 0);
}

static void put_part(lm_lms_writer *w, const char *name, int first, int rows, int total, const float *data)
{
    lm_column c = column(name, rows, data + first * WIDTH);
    put(w, json_pack("{s:[i, i, i]}", "part", first, rows, total), &c, 1);
}

/* a is whole, b comes in two parts, c is whole again. */
static void put_tensors(lm_lms_writer *w, fault f)
{
    lm_column a = column("a", f == SHAPE ? ROWS - 1 : ROWS, numbers[0]), c = column("c", ROWS, numbers[2]);
    if (f != ORDER)
        put(w, json_object(), &a, 1);
    if (f == LATE_INDEX)
        put_index(w, "late", "F32");
    put_part(w, "b", 0, 4, ROWS, numbers[1]);
    put_part(w, "b", f == HOLE ? 5 : 4, f == HOLE ? 1 : 2, f == TOO_LONG ? ROWS - 1 : ROWS, numbers[1]);
    if (f == ORDER)
        put(w, json_object(), &a, 1);
    if (f != MISSING)
        put(w, json_object(), &c, 1);
    c.name = "d";
    if (f == MORE)
        put(w, json_object(), &c, 1);
}

static void make(const char *path, fault f)
{
    lm_status st = LM_STATUS_INIT;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    lm_lms_writer *w = lm_lms_writer_new(fd, path, LM_KIND_MODEL, NULL, NULL, NULL, &st);
    json_t *file = json_pack("{s:s}", "file", "config.json");
    for (int i = 0; i < 3 * ROWS * WIDTH; i++)
        numbers[i / (ROWS * WIDTH)][i % (ROWS * WIDTH)] = (float)i;
    ck_assert(lm_lms_write_bytes(w, file, (lm_str){"{}", 2}, &st));
    json_decref(file);
    for (int i = 0; f != NO_INDEX && i < 3 + (f == TWICE); i++)
        put_index(w, (const char *[]){"a", "b", "c", "a"}[i], f == DTYPE && i == 0 ? "I32" : "F32");
    put_tensors(w, f);
    ck_assert(lm_lms_writer_close(w, &st));
    lm_lms_writer_free(w);
    struct stat s;
    ck_assert(fstat(fd, &s) == 0);
    if (f == CUT)
        ck_assert(ftruncate(fd, s.st_size - 500) == 0);
    if (f == DAMAGED)
        ck_assert(pwrite(fd, "x", 1, /* of c's numbers */ s.st_size - 180) == 1);
    close(fd);
}

/* A child writes the file into the pipe. */
static pid_t pour(const char *file, const char *pipe)
{
    ck_assert(mkfifo(pipe, 0600) == 0);
    pid_t child = fork();
    if (child)
        return child;
    char piece[64];
    int in = open(file, O_RDONLY), out = open(pipe, O_WRONLY);
    for (ssize_t n; (n = read(in, piece, sizeof piece)) > 0;)
        if (write(out, piece, (size_t)n) != n)
            break;
    _exit(0);
}

static void check_tensor(const lm_bundle *b, size_t i)
{
    const lm_safetensor *t = lm_bundle_tensor(b, i);
    ck_assert_int_eq(t->name[0], "abc"[i]);
    ck_assert_uint_eq(t->bytes, sizeof numbers[i]);
    ck_assert_mem_eq(t->data, numbers[i], sizeof numbers[i]);
}

/* All tensors; `first`: that is brought first, the others before it being passed over. That bytes are others is known at the end. */
static void go(lm_bundle *b, size_t first, bool damaged, lm_status *st)
{
    for (size_t i = first; i < lm_bundle_tensors(b) && lm_bundle_bring(b, i, st); i++)
        if (!damaged || i < 2)
            check_tensor(b, i);
    if (lm_ok(st))
        lm_bundle_bring(b, lm_bundle_tensors(b), st);
}

typedef enum way { FORWARD, FROM_THE_SECOND, TO_THE_END, GATHERED, WHOLE, WAYS } way;

static void read_by(way how, fault f)
{
    char *dir = scratch_new(), *file = lm_format("%s/m.lms", dir), *pipe = lm_format("%s/pipe", dir);
    lm_status st = LM_STATUS_INIT;
    make(file, f);
    pid_t child = pour(file, pipe);
    lm_bundle *b = how == WHOLE ? lm_bundle_open(pipe, &st) : lm_bundle_open_forward(pipe, &st);
    if (b)
        ck_assert(lm_bundle_comes(b) == (how != WHOLE) && lm_bundle_has(b, "config.json"));
    if (b && how < GATHERED)
        go(b, how == FORWARD ? 0 : how == FROM_THE_SECOND ? 1 : lm_bundle_tensors(b), f == DAMAGED, &st);
    else if (b && lm_bundle_gather(b, &st))
        for (size_t i = 0; i < lm_bundle_tensors(b); i++)
            check_tensor(b, i);
    ck_assert_msg(lm_ok(&st) == (f == NONE), "fault %d, way %d: %s", f, how, st.message);
    if (f)
        assert_says(&st, said[f]);
    if (f == NONE && how < GATHERED)
        ck_assert(!lm_bundle_bring(b, 0, &st) && strstr(st.message, "has gone by"));
    lm_bundle_close(b);
    waitpid(child, NULL, 0);
    free(pipe);
    free(file);
    scratch_discard(dir);
}

START_TEST(ways)
{
    for (fault f = NONE; f < FAULTS; f++)
        read_by((way)_i, f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("forward");
    TCase *c = tcase_create("forward");
    tcase_add_loop_test(c, ways, 0, WAYS);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
