/* The run of augment: order, stages, copies, positions, failures; with operations made for it. */
#include "augment/run.h"
#include "augment/sample.h"
#include "base/memory.h"
#include "drafts.h"
#include "scratch.h"
#include "unit.h"

#include <inttypes.h>

/* ---------------------------------------------------------------- operations of the tests */

/* Puts value behind the text, in place of it. */
typedef struct mark {
    const char *value;
    lm_philox_key key;
    uint64_t records; /* of those that look first */
} mark;

static void *mark_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    mark *m = lm_calloc(1, sizeof *m);
    (void)st;
    m->value = value;
    m->key = lm_draw_key(o->seed, place, 0);
    return m;
}

static void replace(lm_drafts *batch, lm_draft *d, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void replace(lm_drafts *batch, lm_draft *d, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->texts[0] = (lm_str){lm_arena_strndup(batch->arena, text, (size_t)n), (size_t)n};
}

static bool mark_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    const mark *m = self;
    (void)room, (void)st;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        replace(batch, d, "%.*s%s", (int)d->texts[0].len, d->texts[0].data, m->value);
    }
    return true;
}

static const lm_operation_kind marks = {.name = "mark", .open = mark_open, .close = free, .apply = mark_apply};

/* Draws a number. */
static bool draw_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    const mark *m = self;
    (void)room, (void)st;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        replace(batch, d, "%.*s %s%" PRIu64, (int)d->texts[0].len, d->texts[0].data, m->value,
                lm_random_below(m->key, lm_draw_at(d), 0, 1000000));
        if (d->note)
            lm_buf_printf(d->note, "\"op\":\"draw\",\"as\":\"%s\"", m->value);
    }
    return true;
}

static const lm_operation_kind draws = {.name = "draw", .varies = true, .open = mark_open, .close = free, .apply = draw_apply};

/* Drops records whose text ends in an even digit. */
static bool odd_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)self, (void)room, (void)st;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        if (strchr("02468", d->texts[0].data[d->texts[0].len - 1]))
            d->dropped = "odd: it is even";
    }
    return true;
}

static const lm_operation_kind odds = {.name = "odd", .open = mark_open, .close = free, .apply = odd_apply};

/* Says in follow where each record stands, and how many came before: both must agree. */
static bool count_follow(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    mark *m = self;
    (void)room, (void)st;
    for (size_t i = 0; i < batch->count; i++, m->records++) {
        lm_draft *d = batch->items[i];
        ck_assert_uint_eq(d->position, m->records);
        replace(batch, d, "%.*s@%" PRIu64, (int)d->texts[0].len, d->texts[0].data, m->records);
    }
    return true;
}

static const lm_operation_kind counts = {.name = "count", .open = mark_open, .close = free, .follow = count_follow};

/* Looks at all records before it writes how many there are behind each. */
typedef struct seen {
    uint64_t first, n;
} seen;

static bool total_observe(void *self, void *room, const lm_drafts *batch, lm_status *st)
{
    (void)self, (void)st;
    *(seen *)room = (seen){batch->count ? batch->items[0]->position : 0, batch->count};
    return true;
}

static bool total_collect(void *self, void *room, const lm_drafts *batch, lm_status *st)
{
    mark *m = self;
    const seen *s = room;
    (void)st;
    ck_assert_uint_eq(s->n, batch->count);
    ck_assert(!s->n || s->first == m->records);
    m->records += s->n;
    return true;
}

static bool total_settle(void *self, lm_status *st)
{
    (void)st;
    ((mark *)self)->value = "";
    return true;
}

static bool total_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    const mark *m = self;
    (void)room, (void)st;
    ck_assert_str_eq(m->value, ""); /* settled */
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        replace(batch, d, "%.*s/%" PRIu64, (int)d->texts[0].len, d->texts[0].data, m->records);
    }
    return true;
}

static const lm_operation_kind totals = {.name = "total", .open = mark_open, .close = free, .room_bytes = sizeof(seen),
                                         .room_free = free, .observe = total_observe, .collect = total_collect,
                                         .settle = total_settle, .apply = total_apply};

/* As many copies as the text's last digit, by way of a look at all. */
static int64_t digit_copies(const void *self, const lm_draft *d)
{
    (void)self;
    return d->texts[0].data[d->texts[0].len - 1] - '0';
}

static const lm_operation_kind digits = {.name = "digit", .varies = true, .open = mark_open, .close = free,
                                         .observe = total_observe, .collect = total_collect, .room_bytes = sizeof(seen),
                                         .room_free = free, .copies = digit_copies};

/* Fails at record number 700. */
static bool fails_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)self, (void)room;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i]->number >= 700)
            return lm_fail(st, LM_FAILED, "number %" PRIu64 " is too much", batch->items[i]->number);
    return true;
}

static const lm_operation_kind fails = {.name = "fail", .open = mark_open, .close = free, .apply = fails_apply};

/* ---------------------------------------------------------------- runs */

typedef struct setting {
    lm_augment_options o;
    int records;
    const lm_operation_kind *kinds[6];
    const char *values[6];
} setting;

/* A run over lines "r0", "r1" ... What it writes, malloced. */
static char *try_run(const setting *s, int threads, size_t memory, lm_status *st)
{
    char *dir = scratch_new(), *in = lm_format("%s/in.txt", dir), *out = lm_format("%s/out.txt", dir);
    lm_buf lines = {0};
    for (int i = 0; i < s->records; i++)
        lm_buf_printf(&lines, "r%d\n", i);
    scratch_write(dir, "in.txt", lines.data, lines.len);
    lm_buf_free(&lines);
    lm_strings operands = {0};
    lm_strings_add(&operands, in);
    lm_augment_options o = s->o;
    o.threads = threads;
    o.memory_limit = (int64_t)memory;
    o.operands = &operands;
    o.output = out;
    o.input_format = LM_FORMAT_TEXT;
    lm_option_steps steps = {0};
    for (size_t i = 0; i < 6 && s->kinds[i]; i++)
        lm_option_steps_add(&steps, s->kinds[i]->name, s->values[i] ? s->values[i] : "");
    char *text = NULL;
    if (lm_augment_run_kinds(&o, s->kinds, &steps, st))
        text = (char *)scratch_read(dir, "out.txt").data;
    free(operands.items);
    free(steps.items);
    free(in);
    free(out);
    scratch_discard(dir);
    return text;
}

static char *run(const setting *s, int threads)
{
    lm_status st = LM_STATUS_INIT;
    char *text = try_run(s, threads, 64 << 20, &st);
    assert_ok(&st);
    return text;
}

static void assert_run(const setting *s, const char *expected)
{
    for (int threads = 1; threads < 4; threads++) {
        char *text = run(s, threads);
        ck_assert_str_eq(text, expected);
        free(text);
    }
}

START_TEST(operations_in_their_order)
{
    assert_run(&(setting){.records = 3}, "r0\nr1\nr2\n");
    assert_run(&(setting){.records = 2, .kinds = {&marks, &marks}, .values = {"a", "b"}}, "r0ab\nr1ab\n");
    assert_run(&(setting){.records = 5, .kinds = {&odds, &counts, &totals, &marks}, .values = {"", "", "", "!"}},
               "r1@0/2!\nr3@1/2!\n");
    assert_run(&(setting){.records = 4, .kinds = {&totals, &counts, &odds, &totals}}, "r1/4@1/2\nr3/4@3/2\n");
    assert_run(&(setting){.records = 0, .kinds = {&totals, &odds, &totals}}, "");
}
END_TEST

START_TEST(copies_behind_their_record)
{
    char *one = run(&(setting){.records = 3, .kinds = {&draws}, .values = {"x"}}, 1);
    ck_assert_ptr_nonnull(strstr(one, "r2 x"));
    free(one);

    setting s = {.o = {.copies = 2}, .records = 2, .kinds = {&marks, &draws, &marks, &draws}, .values = {"a", "x", "b", "y"}};
    char *text = run(&s, 1), *line[6], *rest = text;
    for (int i = 0; i < 6; i++)
        line[i] = strsep(&rest, "\n");
    ck_assert_str_eq(line[0], "r0ab");
    ck_assert_str_eq(line[3], "r1ab");
    ck_assert_int_eq(strncmp(line[1], "r0a x", 5), 0);
    ck_assert_int_eq(strncmp(line[5], "r1a x", 5), 0);
    ck_assert_ptr_nonnull(strstr(line[1], "b y"));
    ck_assert_str_ne(line[1], line[2]);
    ck_assert_str_eq(rest, "");
    free(text);

    s.o.exclude_original = true;
    s = (setting){.o = {.exclude_original = true}, .records = 3, .kinds = {&digits, &marks}, .values = {"", "c"}}; /* r0 has none, r1 one */
    assert_run(&s, "r1c\nr2c\nr2c\n");
    s.o.exclude_original = false;
    assert_run(&s, "r0c\nr1c\nr1c\nr2c\nr2c\nr2c\n");
}
END_TEST

/* Enough records for many batches, more copies than a part of a batch holds: the same with one thread and several, in little
 * memory, and with the input in two halves. */
START_TEST(the_same_however_it_is_cut)
{
    setting s = {.o = {.copies = 8}, .records = 12000, .kinds = {&draws, &odds, &counts, &totals, &draws},
                 .values = {"x", "", "", "", "y"}};
    char *one = run(&s, 1), *three = run(&s, 3);
    lm_status st = LM_STATUS_INIT;
    char *small = try_run(&s, 2, 1 << 20, &st);
    assert_ok(&st);
    ck_assert_uint_gt(strlen(one), 1 << 20); /* a record takes 30 bytes */
    ck_assert(strcmp(one, three) == 0);
    ck_assert(strcmp(one, small) == 0);
    free(one);
    free(three);
    free(small);
}
END_TEST

START_TEST(the_first_failure_is_told)
{
    for (int threads = 1; threads < 4; threads++) {
        lm_status st = LM_STATUS_INIT;
        setting s = {.records = 200000, .kinds = {&counts, &fails, &totals}};
        ck_assert_ptr_null(try_run(&s, threads, 1 << 20, &st));
        assert_says(&st, "is too much");
        s.kinds[0] = &fails; /* turns behind it are passed */
        s.kinds[1] = &counts;
        ck_assert_ptr_null(try_run(&s, threads, 1 << 20, &st));
        assert_says(&st, "number 700 is too much");
    }
}
END_TEST

START_TEST(what_is_asked_for_in_vain)
{
    lm_status st = LM_STATUS_INIT;
    try_run(&(setting){.o = {.copies = 2}, .records = 2, .kinds = {&marks}}, 1, 1 << 24, &st);
    assert_says(&st, "none of the operations draws lots");
    try_run(&(setting){.o = {.exclude_original = true}, .records = 2, .kinds = {&draws}}, 1, 1 << 24, &st);
    assert_says(&st, "--exclude-original: there are no copies");
    try_run(&(setting){.records = 2, .kinds = {&draws, &digits}}, 1, 1 << 24, &st);
    assert_says(&st, "--digit: says how many copies there are, which --draw makes: give it before");
}
END_TEST

/* ---------------------------------------------------------------- sample */

START_TEST(sample_draws_by_number)
{
    drafts *d = drafts_new();
    for (int i = 0; i < 20000; i++)
        drafts_add(d, "x");
    drafts_do(d, &lm_sample_kind, "25%", NULL, 100);
    size_t kept = 0;
    for (size_t i = 0; i < d->all.count; i++)
        kept += !drafts_dropped(d, i);
    ck_assert_uint_gt(kept, 4700); /* five standard deviations of 61 */
    ck_assert_uint_lt(kept, 5300);
    lm_status st = LM_STATUS_INIT;
    ck_assert(!drafts_try(d, &lm_sample_kind, "2", NULL, 0, 0, &st));
    assert_says(&st, "'2' is no share");
    ck_assert(!drafts_try(d, &lm_sample_kind, "many", NULL, 0, 0, &st));
    assert_says(&st, "'many' is no share");
    drafts_free(d);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("augment");
    TCase *c = tcase_create("run");
    tcase_add_test(c, operations_in_their_order);
    tcase_add_test(c, copies_behind_their_record);
    tcase_add_test(c, the_same_however_it_is_cut);
    tcase_add_test(c, the_first_failure_is_told);
    tcase_add_test(c, what_is_asked_for_in_vain);
    tcase_add_test(c, sample_draws_by_number);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
