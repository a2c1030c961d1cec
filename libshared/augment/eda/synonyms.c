#include "augment/eda/synonyms.h"

#include "augment/eda/josa.h"
#include "augment/eda/thesaurus.h"
#include "augment/eda/wordnet.h"
#include "augment/words/case.h"
#include "base/memory.h"
#include "text/train/word_counts.h"

#include <stdlib.h>

enum { CACHE_BYTES = 8 << 20, HADA_BYTES = 6 /* of 하다 */ };

struct lm_synonyms {
    lm_thesaurus *thesaurus; /* or NULL */
    lm_wordnet *wordnet;     /* or NULL */
};

struct lm_synonym_cache {
    lm_word_counts words; /* that have been looked up; `count` is where their list begins in `lists` */
    struct list {
        lm_str *items;
        size_t count;
    } *lists;             /* of each word */
    size_t cap;
    lm_arena *arena;
    struct found {
        lm_str spelled;      /* as the source has it */
        size_t from, len;    /* in lower case, in `lowers` */
    } *found;                /* of the word in hand */
    size_t found_count, found_cap;
    lm_str asked;            /* that word */
    lm_buf lowers, joined;
};

lm_synonyms *lm_synonyms_open(const lm_augment_options *o, lm_status *st)
{
    const lm_eda_options *e = &o->eda;
    lm_synonyms *s = lm_calloc(1, sizeof *s);
    bool ok = true;
    if (e->thesaurus.count) {
        s->thesaurus = lm_thesaurus_new();
        for (size_t i = 0; ok && i < e->thesaurus.count; i++)
            ok = lm_thesaurus_read(s->thesaurus, e->thesaurus.items[i], st);
        if (ok)
            lm_thesaurus_finish(s->thesaurus);
    }
    if (ok && (e->wordnet || !s->thesaurus)) {
        char *directory = e->wordnet ? lm_strdup(e->wordnet) : lm_wordnet_directory();
        if (!directory)
            ok = lm_fail(st, LM_FAILED, "where do synonyms come from? Install WordNet (Debian: wordnet-base), say where it is "
                                        "(--wordnet DIR), or give --thesaurus FILE");
        else
            ok = (s->wordnet = lm_wordnet_open(directory, st)) != NULL || lm_fail_prefix(st, "--wordnet");
        free(directory);
    }
    if (ok)
        return s;
    lm_synonyms_close(s);
    return NULL;
}

void lm_synonyms_close(lm_synonyms *s)
{
    if (!s)
        return;
    lm_thesaurus_free(s->thesaurus);
    lm_wordnet_close(s->wordnet);
    free(s);
}

lm_longest_entry *lm_synonyms_longest(const lm_synonyms *s, const void **entries)
{
    *entries = s ? s->thesaurus : NULL;
    return *entries ? lm_thesaurus_longest : NULL;
}

/* ------------------------------------------------------------------ what has been looked up */

lm_synonym_cache *lm_synonym_cache_new(void)
{
    lm_synonym_cache *c = lm_calloc(1, sizeof *c);
    c->arena = lm_arena_new(0);
    return c;
}

void lm_synonym_cache_free(lm_synonym_cache *c)
{
    if (!c)
        return;
    lm_word_counts_free(&c->words);
    lm_arena_free(c->arena);
    free(c->lists);
    free(c->found);
    lm_buf_free(&c->lowers);
    lm_buf_free(&c->joined);
    free(c);
}

void lm_synonym_cache_trim(lm_synonym_cache *c)
{
    if (lm_arena_used(c->arena) + lm_word_counts_memory(&c->words) < CACHE_BYTES)
        return;
    lm_word_counts_free(&c->words);
    lm_arena_reset(c->arena);
}

/* ------------------------------------------------------------------ looking up */

/* A synonym that a source has. */
static void keep(void *to, lm_str synonym)
{
    lm_synonym_cache *c = to;
    size_t from = c->lowers.len;
    lm_lower_case(synonym, &c->lowers);
    lm_str lower = {c->lowers.data + from, c->lowers.len - from};
    bool known = lm_str_equal(lower, c->asked);
    for (size_t i = 0; !known && i < c->found_count; i++)
        known = lm_str_equal(lower, (lm_str){c->lowers.data + c->found[i].from, c->found[i].len});
    if (known) {
        c->lowers.len = from;
        return;
    }
    LM_GROW(c->found, c->found_count, c->found_cap);
    c->found[c->found_count++] = (struct found){{lm_arena_strndup(c->arena, synonym.data, synonym.len), synonym.len}, from,
                                                lower.len};
}

static bool ask(const lm_synonyms *s, lm_synonym_cache *c, lm_str word, lm_status *st)
{
    c->found_count = c->lowers.len = 0;
    c->asked = word;
    if (s->thesaurus)
        lm_thesaurus_synonyms(s->thesaurus, word, keep, c);
    return !s->wordnet || lm_wordnet_synonyms(s->wordnet, word, keep, c, st);
}

/* Puts `tail`, which stood behind `stem`, behind what has been found. */
static void join_tail(lm_synonym_cache *c, lm_str stem, lm_str tail)
{
    for (size_t i = 0; i < c->found_count; i++) {
        lm_str *spelled = &c->found[i].spelled;
        c->joined.len = 0;
        lm_buf_append(&c->joined, spelled->data, spelled->len);
        lm_josa_append(*spelled, stem, tail, &c->joined);
        *spelled = (lm_str){lm_arena_strndup(c->arena, c->joined.data, c->joined.len), c->joined.len};
    }
}

/* The stem of a Korean verb on 하다, which the thesaurus may have as such (공부하다): its synonyms on 하다, without it. */
static bool ask_verb(const lm_synonyms *s, lm_synonym_cache *c, lm_str stem, lm_status *st)
{
    static const char hada[] = "하다";
    c->joined.len = 0;
    lm_buf_append(&c->joined, stem.data, stem.len);
    lm_buf_append(&c->joined, hada, HADA_BYTES);
    if (!ask(s, c, lm_buf_str(&c->joined), st))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < c->found_count; i++) {
        lm_str f = c->found[i].spelled;
        if (f.len > HADA_BYTES && memcmp(f.data + f.len - HADA_BYTES, hada, HADA_BYTES) == 0)
            c->found[kept++].spelled = (lm_str){f.data, f.len - HADA_BYTES};
    }
    c->found_count = kept;
    return true;
}

/* Whether the word ends in a Hangul syllable (or another character that begins with the same bytes). */
static bool ends_korean(lm_str word)
{
    return word.len >= 6 && (unsigned char)word.data[word.len - 3] >= 0xEA && (unsigned char)word.data[word.len - 3] <= 0xED;
}

/* Without particles: the longest stem that somebody knows. */
static bool ask_stems(const lm_synonyms *s, lm_synonym_cache *c, lm_str word, lm_status *st)
{
    for (size_t n = word.len; n > 3;) {
        n--;
        if (((unsigned char)word.data[n] & 0xC0) == 0x80)
            continue;
        lm_str stem = {word.data, n}, tail = {word.data + n, word.len - n};
        bool verb;
        if (n == 0 || !lm_josa_follows(stem, tail, &verb))
            continue;
        if (!ask(s, c, stem, st) || (!c->found_count && verb && !ask_verb(s, c, stem, st)))
            return false;
        if (c->found_count) {
            join_tail(c, stem, tail);
            return true;
        }
    }
    return true;
}

/* Without 's. */
static bool ask_genitive(const lm_synonyms *s, lm_synonym_cache *c, lm_str word, lm_status *st)
{
    static const char *const genitives[] = {"'s", "\xE2\x80\x99s"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(genitives[i]);
        if (word.len <= n || memcmp(word.data + word.len - n, genitives[i], n) != 0)
            continue;
        lm_str stem = {word.data, word.len - n};
        if (!ask(s, c, stem, st))
            return false;
        join_tail(c, stem, (lm_str){word.data + stem.len, n});
    }
    return true;
}

bool lm_synonyms_find(const lm_synonyms *s, lm_synonym_cache *c, lm_str word, const lm_str **list, size_t *count, lm_status *st)
{
    size_t known = c->words.n;
    size_t number = (size_t)lm_word_counts_number(&c->words, word);
    if (number == known) {
        if (!ask(s, c, word, st) || (!c->found_count && !ask_genitive(s, c, word, st)) ||
            (!c->found_count && ends_korean(word) && !ask_stems(s, c, word, st)))
            return false;
        LM_GROW(c->lists, number, c->cap);
        struct list *l = &c->lists[number];
        *l = (struct list){lm_arena_alloc(c->arena, c->found_count + 1, sizeof *l->items), c->found_count};
        for (size_t i = 0; i < c->found_count; i++)
            l->items[i] = c->found[i].spelled;
    }
    *list = c->lists[number].items;
    *count = c->lists[number].count;
    return true;
}
