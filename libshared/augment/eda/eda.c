#include "augment/eda/eda.h"

#include "augment/eda/edits.h"
#include "augment/options.h"
#include "augment/words/share.h"
#include "base/memory.h"

#include <stdlib.h>

enum { POOL_MAX = 64 /* techniques that are shuffled at once */, TECHNIQUE = -1 /* the `text` of what a copy draws as a whole */ };

static const double usual_share = 0.1;

/* The stop words of the authors' script (NLTK's of 2018). */
static const char stop_words[] =
    "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its itself "
    "they them their theirs themselves what which who whom this that these those am is are was were be been being have has had "
    "having do does did doing a an the and but if or because as until while of at by for with about against between into through "
    "during before after above below to from up down in out on off over under again further then once here there when where why "
    "how all any both each few more most other some such no nor not only own same so than too very s t can will just don should now";

typedef struct eda {
    const lm_operation_kind *kind;
    double shares[LM_EDITS]; /* of each edit; 0 = it is not one of these */
    int edits[LM_EDITS], edit_count; /* those that are */
    int64_t copies;
    uint64_t seed;
    int place;
    lm_synonyms *synonyms;
    lm_word_set stop, protect;
} eda;

static void eda_close(void *self)
{
    eda *e = self;
    lm_synonyms_close(e->synonyms);
    lm_word_set_free(&e->stop);
    lm_word_set_free(&e->protect);
    free(e);
}

static bool read_words(eda *e, const lm_augment_options *o, lm_status *st)
{
    if (o->protect && !lm_word_set_read(&e->protect, o->protect, "--protect", st))
        return false;
    if (!e->shares[LM_EDIT_SYNONYM] && !e->shares[LM_EDIT_INSERT])
        return true;
    if (o->stop_words) {
        if (!lm_word_set_read(&e->stop, o->stop_words, "--stop-words", st))
            return false;
    } else {
        for (const char *word = stop_words; *word;) {
            size_t n = strcspn(word, " ");
            lm_word_set_add(&e->stop, (lm_str){word, n});
            word += n + (word[n] == ' ');
        }
    }
    e->synonyms = lm_synonyms_open(o, st);
    return e->synonyms != NULL;
}

/* `shares`: of each edit; 0 = not that one. */
static void *open_edits(const lm_operation_kind *kind, const double shares[LM_EDITS], const lm_augment_options *o, int place,
                        lm_status *st)
{
    eda *e = lm_calloc(1, sizeof *e);
    *e = (eda){.kind = kind, .seed = o->seed, .place = place, .copies = o->copies};
    for (int i = 0; i < LM_EDITS; i++) {
        e->shares[i] = shares[i];
        if (shares[i] > 0)
            e->edits[e->edit_count++] = i;
    }
    if (read_words(e, o, st))
        return e;
    eda_close(e);
    return NULL;
}

static void *open_edit(const lm_operation_kind *kind, lm_eda_edit edit, const char *value, const lm_augment_options *o, int place,
                       lm_status *st)
{
    double shares[LM_EDITS] = {0};
    if (!lm_share_parse(value, kind->name, usual_share, &shares[edit], st))
        return NULL;
    return open_edits(kind, shares, o, place, st);
}

static void *synonym_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return open_edit(&lm_synonym_kind, LM_EDIT_SYNONYM, value, o, place, st);
}

static void *insert_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return open_edit(&lm_insert_kind, LM_EDIT_INSERT, value, o, place, st);
}

static void *swap_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return open_edit(&lm_swap_kind, LM_EDIT_SWAP, value, o, place, st);
}

static void *delete_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return open_edit(&lm_delete_kind, LM_EDIT_DELETE, value, o, place, st);
}

static void *mixture_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    double all, shares[LM_EDITS];
    const double said[LM_EDITS] = {o->eda.alpha_sr, o->eda.alpha_ri, o->eda.alpha_rs, o->eda.alpha_rd};
    if (!lm_share_parse(value, "eda", usual_share, &all, st))
        return NULL;
    bool some = false;
    for (int i = 0; i < LM_EDITS; i++) {
        shares[i] = said[i] < 0 ? all : said[i];
        some |= shares[i] > 0;
    }
    if (!some) {
        lm_fail(st, LM_USAGE, "--eda: every technique has strength 0: give one of them more, such as --alpha-sr 0.1");
        return NULL;
    }
    return open_edits(&lm_eda_kind, shares, o, place, st);
}

static void *eda_room_new(void *self)
{
    const eda *e = self;
    lm_edit_room *r = lm_calloc(1, sizeof *r);
    if (e->synonyms)
        r->cache = lm_synonym_cache_new();
    return r;
}

static void eda_room_free(void *room)
{
    lm_edit_room *r = room;
    lm_synonym_cache_free(r->cache);
    lm_edit_room_free(r);
    free(r);
}

/* Copies of a record share the edits out evenly: of so many as it has copies (and up to three more) in random order, this one has
 * its turn. */
static lm_eda_edit edit_of(const eda *e, const lm_draft *d)
{
    if (e->edit_count == 1)
        return (lm_eda_edit)e->edits[0];
    int64_t copies = e->copies > 0 ? e->copies : LM_EDA_COPIES;
    uint32_t pool = (uint32_t)(copies < POOL_MAX - LM_EDITS ? copies : POOL_MAX - LM_EDITS), order[POOL_MAX];
    pool = (pool / (uint32_t)e->edit_count + 1) * (uint32_t)e->edit_count;
    uint32_t turn = d->copy ? d->copy - 1 : 0;
    lm_random_permutation(lm_draw_key(e->seed, e->place, TECHNIQUE), d->number << 16 | turn / pool, order, pool);
    return (lm_eda_edit)e->edits[order[turn % pool] % (uint32_t)e->edit_count];
}

static void write_note(const eda *e, const lm_draft *d, lm_eda_edit edit)
{
    static const lm_operation_kind *const kinds[LM_EDITS] = {&lm_synonym_kind, &lm_insert_kind, &lm_swap_kind, &lm_delete_kind};
    lm_buf_printf(d->note, "\"op\":\"%s\"", e->kind->name);
    if (e->kind == &lm_eda_kind)
        lm_buf_printf(d->note, ",\"edit\":\"%s\"", kinds[edit]->name);
    lm_buf_printf(d->note, ",\"share\":%g", e->shares[edit]);
}

static bool eda_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    const eda *e = self;
    lm_edit_room *r = room;
    const lm_edit_words words = {e->synonyms, &e->stop, &e->protect};
    if (e->edit_count == 0)
        return true;
    if (r->cache)
        lm_synonym_cache_trim(r->cache);
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        lm_eda_edit edit = edit_of(e, d);
        for (int t = 0; t < d->text_count; t++) {
            lm_draws draws = lm_draws_of(e->seed, e->place, d, t);
            if (!lm_edit_text(r, &words, edit, e->shares[edit], d->texts[t], &draws, st))
                return false;
            if (!lm_str_equal(lm_buf_str(&r->out), d->texts[t]))
                d->texts[t] = (lm_str){lm_arena_strndup(batch->arena, r->out.data, r->out.len), r->out.len};
        }
        if (d->note)
            write_note(e, d, edit);
    }
    return true;
}

static int64_t mixture_copies(const void *self, const lm_draft *d)
{
    const eda *e = self;
    (void)d;
    return e->copies > 0 ? e->copies : LM_EDA_COPIES;
}

#define EDIT_KIND(long_name, opener, ...)                                                                     \
    {.name = long_name, .varies = true, .open = opener, .close = eda_close, .room_new = eda_room_new,          \
     .room_free = eda_room_free, .apply = eda_apply, __VA_ARGS__}

const lm_operation_kind lm_synonym_kind = EDIT_KIND("synonym", synonym_open);
const lm_operation_kind lm_insert_kind = EDIT_KIND("insert", insert_open);
const lm_operation_kind lm_swap_kind = EDIT_KIND("swap", swap_open);
const lm_operation_kind lm_delete_kind = EDIT_KIND("delete", delete_open);
const lm_operation_kind lm_eda_kind = EDIT_KIND("eda", mixture_open, .copies = mixture_copies);

void lm_eda_entries(lm_augment_entries *to)
{
    static const char with_synonyms[] = "synonym insert eda";
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Words: easy data augmentation"),
        LM_ENTRY_STEP("synonym", "SHARE", .optional = lm_is_share, .aliases = "pct_words_to_swap synonym_replacement",
                      .help = "put synonyms in place of this share of the words (0.1 if none is given)"),
        LM_ENTRY_STEP("insert", "SHARE", .optional = lm_is_share, .aliases = "random_insertion",
                      .help = "put in synonyms of words of the text, for this share of its words"),
        LM_ENTRY_STEP("swap", "SHARE", .optional = lm_is_share, .aliases = "random_swap",
                      .help = "let two words change places, once for each of this share of the words"),
        LM_ENTRY_STEP("delete", "SHARE", .optional = lm_is_share, .aliases = "random_deletion",
                      .help = "take each word out with this probability"),
        LM_ENTRY_STEP("eda", "SHARE", .optional = lm_is_share,
                      .help = "each copy by one of these four, shared out evenly; makes nine copies unless -n says how many"),
        LM_ENTRY_ABOUT("eda", "alpha-sr", LM_OPT_FLOAT, eda.alpha_sr, "SHARE", .min = 0, .max = 1,
                       .shown = "what --eda says",
                       .help = "synonyms of --eda; 0 leaves them out"),
        LM_ENTRY_ABOUT("eda", "alpha-ri", LM_OPT_FLOAT, eda.alpha_ri, "SHARE", .min = 0, .max = 1,
                       .shown = "what --eda says",
                       .help = "insertions of --eda"),
        LM_ENTRY_ABOUT("eda", "alpha-rs", LM_OPT_FLOAT, eda.alpha_rs, "SHARE", .min = 0, .max = 1,
                       .shown = "what --eda says",
                       .help = "swaps of --eda"),
        LM_ENTRY_ABOUT("eda", "alpha-rd", LM_OPT_FLOAT, eda.alpha_rd, "SHARE", .min = 0, .max = 1,
                       .aliases = "p_rd", .shown = "what --eda says", .help = "deletions of --eda"),
        LM_ENTRY_ABOUT(with_synonyms, "thesaurus", LM_OPT_STRINGS, eda.thesaurus, "FILE",
                 .help = "synonyms: lines of a word, a tab and its synonyms with commas between, or of words that mean the same; "
                         "or a MyThes file"),
        LM_ENTRY_ABOUT(with_synonyms, "wordnet", LM_OPT_DIR, eda.wordnet, "DIR",
                       .shown = "where it is installed, if no --thesaurus is given",
                       .help = "WordNet's database, for English synonyms"),
        LM_ENTRY("protect", LM_OPT_FILE, protect, "FILE", .aliases = "reserved_tokens",
                 .help = "words, one a line, that are not replaced, moved, deleted or misspelled"),
        LM_ENTRY("stop-words", LM_OPT_FILE, stop_words, "FILE", .shown = "the published ones",
                 .help = "words, one a line, that mean little: they have no synonyms, and --filter counts them"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
