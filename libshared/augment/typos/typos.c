#include "augment/typos/typos.h"

#include "augment/options.h"
#include "augment/typos/corrector.h"
#include "augment/words/case.h"
#include "augment/words/word_set.h"
#include "augment/words/words.h"
#include "base/memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct typos {
    const char *names; /* of the dictionaries */
    lm_frequencies *frequencies;
    lm_word_set protect;
    pthread_mutex_t lock; /* over */
    lm_corrector *idle;   /* those that no thread has in hand: as many as there are threads, since they are large */
    atomic_uint_fast64_t looked_at, unknown, fixed;
} typos;

typedef struct room {
    lm_text_words words;
    lm_buf lower, text;
    lm_wide *counts; /* of the batch's words */
    size_t count, cap;
} room;

static void room_free(void *room_)
{
    room *r = room_;
    lm_text_words_free(&r->words);
    lm_buf_free(&r->lower);
    lm_buf_free(&r->text);
    free(r->counts);
    free(r);
}

static lm_str in_lower_case(room *r, lm_str word)
{
    r->lower.len = 0;
    lm_lower_case(word, &r->lower);
    return lm_buf_str(&r->lower);
}

/* ------------------------------------------------------------------ how often words occur */

/* Adds up equal words. */
static void count_once(room *r)
{
    lm_wide_sort(r->counts, r->count);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (n && r->counts[n - 1].high == r->counts[i].high)
            r->counts[n - 1].low += r->counts[i].low;
        else
            r->counts[n++] = r->counts[i];
    }
    r->count = n;
}

static bool typos_observe(void *self, void *room_, const lm_drafts *batch, lm_status *st)
{
    (void)self;
    room *r = room_;
    r->count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        for (int k = 0; k < batch->items[i]->text_count; k++) {
            if (!lm_text_words_split(&r->words, batch->items[i]->texts[k], NULL, NULL, st))
                return false;
            for (size_t w = 0; w < r->words.count; w++) {
                if (r->words.at[w].kind != LM_WORD_PLAIN)
                    continue;
                LM_GROW(r->counts, r->count, r->cap);
                r->counts[r->count++] = (lm_wide){lm_typos_hash(in_lower_case(r, lm_text_word_str(&r->words, w))), 1};
            }
        }
    }
    count_once(r);
    return true;
}

static bool typos_collect(void *self, void *room_, const lm_drafts *batch, lm_status *st)
{
    (void)batch;
    const room *r = room_;
    return lm_frequencies_add(((typos *)self)->frequencies, r->counts, r->count, st);
}

static bool typos_settle(void *self, lm_status *st)
{
    return lm_frequencies_settle(((typos *)self)->frequencies, st);
}

/* ------------------------------------------------------------------ words that are changed */

static lm_corrector *take_corrector(typos *t, lm_status *st)
{
    pthread_mutex_lock(&t->lock);
    lm_corrector *c = t->idle;
    if (c) {
        t->idle = c->next;
    } else {
        lm_dictionary *d = lm_dictionary_open(t->names, st);
        if (d) {
            c = lm_calloc(1, sizeof *c);
            c->dictionary = d;
            c->frequencies = t->frequencies;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return c;
}

static void give_back(typos *t, lm_corrector *c)
{
    pthread_mutex_lock(&t->lock);
    c->next = t->idle;
    t->idle = c;
    pthread_mutex_unlock(&t->lock);
}

static bool has_digit(lm_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.data[i] >= '0' && word.data[i] <= '9')
            return true;
    return false;
}

/* What word w should be; data NULL: it stays. */
static lm_str correction(typos *t, room *r, lm_corrector *c, size_t w, uint64_t *unknown)
{
    lm_str word = lm_text_word_str(&r->words, w), none = {0};
    if (r->words.at[w].kind != LM_WORD_PLAIN || has_digit(word) || !lm_str_equal(in_lower_case(r, word), word) ||
        lm_word_set_has(&t->protect, word))
        return none;
    lm_correction answer = lm_correct(c, word);
    *unknown += !answer.known;
    return answer.word;
}

static bool fix_text(typos *t, room *r, lm_corrector *c, lm_str *text, lm_arena *arena, lm_status *st)
{
    if (!lm_text_words_split(&r->words, *text, NULL, NULL, st))
        return false;
    uint64_t unknown = 0, fixed = 0;
    size_t kept = 0;
    r->text.len = 0;
    for (size_t w = 0; w < r->words.count; w++) {
        lm_str instead = correction(t, r, c, w, &unknown);
        if (!instead.data)
            continue;
        lm_buf_append(&r->text, text->data + kept, r->words.at[w].from - kept);
        lm_buf_append(&r->text, instead.data, instead.len);
        kept = r->words.at[w].to;
        fixed++;
    }
    if (fixed) {
        lm_buf_append(&r->text, text->data + kept, text->len - kept);
        *text = (lm_str){lm_arena_strndup(arena, r->text.data, r->text.len), r->text.len};
    }
    atomic_fetch_add(&t->looked_at, r->words.count);
    atomic_fetch_add(&t->unknown, unknown);
    atomic_fetch_add(&t->fixed, fixed);
    return true;
}

static bool typos_apply(void *self, void *room_, lm_drafts *batch, lm_status *st)
{
    typos *t = self;
    lm_corrector *c = take_corrector(t, st);
    for (size_t i = 0; c && i < batch->count; i++)
        for (int k = 0; k < batch->items[i]->text_count; k++)
            if (!fix_text(t, room_, c, &batch->items[i]->texts[k], batch->arena, st))
                break;
    if (c)
        give_back(t, c);
    return lm_ok(st);
}

static void typos_report(const void *self, lm_buf *out)
{
    const typos *t = self;
    lm_buf_printf(out, "fix-typos: %" PRIu64 " of %" PRIu64 " words are not in %s, %" PRIu64 " of them were corrected\n",
                  (uint64_t)t->unknown, (uint64_t)t->looked_at, t->names, (uint64_t)t->fixed);
}

/* ------------------------------------------------------------------ beginning and end */

static void typos_close(void *self)
{
    typos *t = self;
    for (lm_corrector *c = t->idle, *next; c; c = next) {
        next = c->next;
        lm_corrector_free(c);
        free(c);
    }
    lm_frequencies_free(t->frequencies);
    lm_word_set_free(&t->protect);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void *typos_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)value;
    (void)place;
    typos *t = lm_calloc(1, sizeof *t);
    t->names = o->typos.dictionary;
    t->frequencies = lm_frequencies_new(o->memory);
    pthread_mutex_init(&t->lock, NULL);
    lm_corrector *c = take_corrector(t, st); /* what is wrong with the dictionary is said before anything is read */
    if (c)
        give_back(t, c);
    if (c && (!o->protect || lm_word_set_read(&t->protect, o->protect, "--protect", st)))
        return t;
    typos_close(t);
    return NULL;
}

const lm_operation_kind lm_fix_typos_kind = {
    .name = "fix-typos",
    .open = typos_open,
    .close = typos_close,
    .room_bytes = sizeof(room),
    .room_free = room_free,
    .observe = typos_observe,
    .collect = typos_collect,
    .settle = typos_settle,
    .apply = typos_apply,
    .report = typos_report,
};

void lm_typos_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Typos"),
        LM_ENTRY_STEP("fix-typos", NULL,
                      .help = "words that the dictionary does not have and that are a slip of the fingers away from one that it has, and "
                              "that occurs in the input, become that word"),
        LM_ENTRY("dictionary", LM_OPT_STRING, typos.dictionary, "NAME[,NAME...]",
                 .help = "hunspell's: names of those that are installed (en_US, ko), or paths of .dic files"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
