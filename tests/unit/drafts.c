#include "drafts.h"
#include "base/memory.h"
#include "unit.h"

drafts *drafts_new(void)
{
    drafts *d = lm_calloc(1, sizeof *d);
    d->given = lm_arena_new(0);
    d->all.arena = d->batch.arena = lm_arena_new(0);
    return d;
}

static void forget_note(lm_draft *draft)
{
    if (draft->note)
        lm_buf_free(draft->note);
    free(draft->note);
    draft->note = NULL;
}

void drafts_free(drafts *d)
{
    for (size_t i = 0; i < d->all.count; i++)
        forget_note(d->all.items[i]);
    lm_arena_free(d->given);
    lm_arena_free(d->all.arena);
    free(d->all.items);
    free(d->batch.items);
    lm_buf_free(&d->report);
    lm_buf_free(&d->shown);
    free(d);
}

/* ---------------------------------------------------------------- records */

static void put(lm_drafts *to, lm_draft *draft)
{
    LM_GROW(to->items, to->count, to->cap);
    to->items[to->count++] = draft;
}

/* draft->source is the first text as it was added. */
static lm_draft *add(drafts *d, int texts)
{
    lm_draft *draft = lm_arena_alloc(d->given, 1, sizeof *draft);
    *draft = (lm_draft){.text_count = texts, .number = d->all.count};
    draft->texts = lm_arena_alloc(d->given, (size_t)texts + 1, sizeof *draft->texts);
    put(&d->all, draft);
    return draft;
}

static lm_str keep(drafts *d, lm_str s)
{
    return (lm_str){lm_arena_strndup(d->given, s.data ? s.data : "", s.len), s.len};
}

lm_draft *drafts_add_bytes(drafts *d, lm_str text)
{
    lm_draft *draft = add(d, 1);
    draft->texts[0] = keep(d, text);
    draft->source = (void *)draft->texts[0].data;
    return draft;
}

lm_draft *drafts_add(drafts *d, const char *text)
{
    return drafts_add_bytes(d, lm_str_of(text));
}

lm_draft *drafts_add_texts(drafts *d, const char *texts, const char *label)
{
    int count = 1;
    for (const char *p = texts; *p; p++)
        count += *p == '\t';
    lm_draft *draft = add(d, count);
    for (int i = 0; i < count; i++) {
        size_t n = strcspn(texts, "\t");
        draft->texts[i] = keep(d, (lm_str){texts, n});
        texts += n + 1;
    }
    draft->source = (void *)draft->texts[0].data;
    if (label)
        draft->label = keep(d, lm_str_of(label));
    return draft;
}

lm_draft *drafts_add_copy(drafts *d, uint32_t copy)
{
    const lm_draft *last = d->all.items[d->all.count - 1];
    lm_draft *draft = add(d, last->text_count);
    lm_str *texts = draft->texts;
    *draft = *last;
    draft->texts = texts;
    memcpy(texts, last->texts, (size_t)last->text_count * sizeof *texts);
    draft->copy = copy;
    draft->note = NULL;
    return draft;
}

/* ---------------------------------------------------------------- an operation */

typedef struct operation {
    const lm_operation_kind *kind;
    void *self;
    void *rooms[2]; /* batches take turns with them */
    size_t per_batch;
} operation;

/* The next records that are kept, from *i on. */
static bool next_batch(drafts *d, const operation *o, size_t *i, uint64_t *position)
{
    d->batch.count = 0;
    for (; *i < d->all.count && (!o->per_batch || d->batch.count < o->per_batch); ++*i)
        if (!d->all.items[*i]->dropped) {
            put(&d->batch, d->all.items[*i]);
            d->all.items[*i]->position = (*position)++;
        }
    return d->batch.count > 0;
}

static bool look(drafts *d, operation *o, lm_status *st)
{
    uint64_t position = 0;
    size_t turn = 0;
    for (size_t i = 0; next_batch(d, o, &i, &position); turn++) {
        void *room = o->rooms[turn % 2];
        if (!o->kind->observe(o->self, room, &d->batch, st) ||
            (o->kind->collect && !o->kind->collect(o->self, room, &d->batch, st)))
            return false;
    }
    return !o->kind->settle || o->kind->settle(o->self, st);
}

static bool change(drafts *d, operation *o, const lm_augment_options *options, lm_status *st)
{
    uint64_t position = 0;
    size_t turn = 0;
    for (size_t i = 0; next_batch(d, o, &i, &position); turn++) {
        void *room = o->rooms[turn % 2];
        for (size_t k = 0; options->provenance && k < d->batch.count; k++)
            if (!d->batch.items[k]->note)
                d->batch.items[k]->note = lm_calloc(1, sizeof(lm_buf));
        if ((o->kind->apply && !o->kind->apply(o->self, room, &d->batch, st)) ||
            (o->kind->follow && !o->kind->follow(o->self, room, &d->batch, st)))
            return false;
    }
    return true;
}

bool drafts_try(drafts *d, const lm_operation_kind *kind, const char *value, const lm_augment_options *o, int place,
                size_t per_batch, lm_status *st)
{
    return drafts_try_two(d, kind, value, NULL, o, place, per_batch, st);
}

bool drafts_try_two(drafts *d, const lm_operation_kind *kind, const char *first, const char *second,
                    const lm_augment_options *o, int place, size_t per_batch, lm_status *st)
{
    lm_augment_options own = o ? *o : lm_augment_defaults;
    if (!own.memory)
        own.memory = 64 << 20;
    if (!own.threads)
        own.threads = 1;
    operation op = {.kind = kind, .per_batch = per_batch};
    op.self = second ? kind->open_two(first, second, &own, place, st) : kind->open(first, &own, place, st);
    if (!op.self)
        return false;
    for (int i = 0; i < 2; i++)
        op.rooms[i] = lm_operation_room(kind, op.self);
    bool good = (!kind->observe || look(d, &op, st)) && change(d, &op, &own, st) &&
                (!kind->finish || kind->finish(op.self, st));
    d->report.len = 0;
    if (good && kind->report)
        kind->report(op.self, &d->report);
    for (int i = 0; i < 2; i++)
        if (op.rooms[i])
            kind->room_free(op.rooms[i]);
    if (kind->close)
        kind->close(op.self);
    return good;
}

void drafts_do(drafts *d, const lm_operation_kind *kind, const char *value, const lm_augment_options *o, size_t per_batch)
{
    lm_status st = LM_STATUS_INIT;
    drafts_try(d, kind, value, o, 0, per_batch, &st);
    assert_ok(&st);
}

/* ---------------------------------------------------------------- what came of it */

const char *drafts_text(drafts *d, size_t i)
{
    ck_assert_uint_lt(i, d->all.count);
    const lm_draft *draft = d->all.items[i];
    if (draft->dropped)
        return NULL;
    d->shown.len = 0;
    lm_buf_append(&d->shown, draft->texts[0].data, draft->texts[0].len);
    return lm_buf_cstr(&d->shown);
}

const char *drafts_dropped(const drafts *d, size_t i)
{
    ck_assert_uint_lt(i, d->all.count);
    return d->all.items[i]->dropped;
}

bool drafts_is_untouched(const drafts *d, size_t i)
{
    ck_assert_uint_lt(i, d->all.count);
    return d->all.items[i]->texts[0].data == d->all.items[i]->source;
}

const char *drafts_all(drafts *d)
{
    d->shown.len = 0;
    for (size_t i = 0; i < d->all.count; i++) {
        const lm_draft *draft = d->all.items[i];
        for (int n = 0; n < draft->text_count && !draft->dropped; n++) {
            lm_buf_append(&d->shown, draft->texts[n].data, draft->texts[n].len);
            lm_buf_putc(&d->shown, n + 1 < draft->text_count ? '\t' : '\n');
        }
    }
    return lm_buf_cstr(&d->shown);
}

char *drafts_one(const lm_operation_kind *kind, const char *value, const lm_augment_options *o, const char *text)
{
    drafts *d = drafts_new();
    drafts_add(d, text);
    drafts_do(d, kind, value, o, 0);
    const char *now = drafts_text(d, 0);
    char *kept = now ? lm_strdup(now) : NULL;
    drafts_free(d);
    return kept;
}
