#include "augment/eda/edits.h"

#include "augment/words/case.h"
#include "base/memory.h"

#include <stdlib.h>
#include <xxhash.h>

enum { TRIES = 10 /* words that an insertion looks at */, DRAWS = 3 /* of the second word of a swap */ };

/* What is known of a word of the text. */
struct lm_edit_word {
    size_t from, len;    /* in lower case, in `lower` */
    uint32_t first;      /* the first word that is the same */
    uint32_t stands;     /* the word that stands here now */
    bool stays;          /* is protected */
    bool gone;
    lm_str replaced;     /* of a first word: by this; data NULL = not */
};

/* A word that was put in. */
struct lm_inserted {
    lm_str synonym;
    lm_str model;        /* the word that it is a synonym of, for its case */
    uint32_t position;   /* among all words as they were when it was put in, then in the end */
};

void lm_edit_room_free(lm_edit_room *r)
{
    lm_text_words_free(&r->words);
    lm_buf_free(&r->lower);
    lm_buf_free(&r->out);
    free(r->numbers);
    free(r->of);
    free(r->inserted);
    *r = (lm_edit_room){0};
}

static uint32_t *numbers(lm_edit_room *r, size_t n)
{
    if (n > r->number_cap) {
        r->number_cap = 2 * n;
        r->numbers = lm_realloc(r->numbers, r->number_cap, sizeof *r->numbers);
    }
    return r->numbers;
}

static lm_str lower_of(const lm_edit_room *r, size_t i)
{
    return (lm_str){r->lower.data + r->of[i].from, r->of[i].len};
}

static void put(lm_edit_room *r, size_t from, size_t to)
{
    lm_buf_append(&r->out, r->words.text.data + from, to - from);
}

/* ------------------------------------------------------------------ the words of a text */

/* Fills `first` of all words, by a table of open addressing. */
static void find_first(lm_edit_room *r)
{
    size_t n = r->words.count, slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    uint32_t *table = numbers(r, slots);
    memset(table, 0xff, slots * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        lm_str word = lower_of(r, i);
        size_t at = XXH3_64bits(word.data, word.len) & (slots - 1);
        while (table[at] != UINT32_MAX && !lm_str_equal(lower_of(r, table[at]), word))
            at = (at + 1) & (slots - 1);
        if (table[at] == UINT32_MAX)
            table[at] = (uint32_t)i;
        r->of[i].first = table[at];
    }
}

static void look_at_words(lm_edit_room *r, const lm_edit_words *w)
{
    size_t n = r->words.count;
    if (n > r->of_cap) {
        r->of_cap = 2 * n;
        r->of = lm_realloc(r->of, r->of_cap, sizeof *r->of);
    }
    r->lower.len = 0;
    for (size_t i = 0; i < n; i++) {
        size_t from = r->lower.len;
        lm_lower_case(lm_text_word_str(&r->words, i), &r->lower);
        r->of[i] = (struct lm_edit_word){.from = from, .len = r->lower.len - from, .stands = (uint32_t)i};
    }
    for (size_t i = 0; i < n; i++)
        r->of[i].stays = lm_word_set_has(w->protect, lower_of(r, i));
}

/* Whether a word may have synonyms. */
static bool has_meaning(const lm_edit_room *r, const lm_edit_words *w, size_t i)
{
    return !r->of[i].stays && r->words.at[i].kind != LM_WORD_FIXED && !lm_word_set_has(w->stop, lower_of(r, i));
}

/* One of the synonyms of a word in lower case; data NULL: it has none. */
static bool draw_synonym(lm_edit_room *r, const lm_edit_words *w, lm_str word, lm_draws *draws, lm_str *synonym, lm_status *st)
{
    const lm_str *list;
    size_t count;
    *synonym = (lm_str){0};
    if (!lm_synonyms_find(w->synonyms, r->cache, word, &list, &count, st))
        return false;
    if (count)
        *synonym = list[lm_draw_below(draws, (uint32_t)count)];
    return true;
}

/* ------------------------------------------------------------------ synonyms in place of words */

static bool replace_words(lm_edit_room *r, const lm_edit_words *w, size_t most, lm_draws *draws, lm_status *st)
{
    size_t n = r->words.count, candidates = 0, done = 0;
    find_first(r);
    uint32_t *order = numbers(r, n);
    for (size_t i = 0; i < n; i++)
        if (r->of[i].first == i && has_meaning(r, w, i))
            order[candidates++] = (uint32_t)i;
    for (size_t k = 0; k < candidates && done < most; k++) {
        size_t other = k + lm_draw_below(draws, (uint32_t)(candidates - k));
        uint32_t word = order[other];
        order[other] = order[k];
        if (!draw_synonym(r, w, lower_of(r, word), draws, &r->of[word].replaced, st))
            return false;
        done += r->of[word].replaced.data != NULL;
    }
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        lm_str by = r->of[r->of[i].first].replaced;
        if (!by.data)
            continue;
        put(r, from, r->words.at[i].from);
        lm_case_like(by, lm_text_word_str(&r->words, i), &r->out);
        from = r->words.at[i].to;
    }
    put(r, from, r->words.text.len);
    return true;
}

/* ------------------------------------------------------------------ insertion */

/* Positions among the words as they were become positions in the end: taken from the last one back, each is a number among the
 * places that are still free, which a tree of sums finds. */
static void settle_positions(lm_edit_room *r, size_t count)
{
    size_t total = r->words.count + count, top = 1;
    uint32_t *tree = numbers(r, total + 1); /* Fenwick 1994; of places from 1 on */
    for (size_t i = 1; i <= total; i++)
        tree[i] = (uint32_t)(i & -i);
    while (2 * top <= total)
        top *= 2;
    for (size_t k = count; k-- > 0;) {
        uint32_t left = r->inserted[k].position;
        size_t place = 0;
        for (size_t step = top; step; step /= 2)
            if (place + step <= total && tree[place + step] <= left) {
                place += step;
                left -= tree[place];
            }
        r->inserted[k].position = (uint32_t)place;
        for (size_t i = place + 1; i <= total; i += i & -i)
            tree[i]--;
    }
}

static int by_position(const void *a, const void *b)
{
    const struct lm_inserted *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* The text with what was put in: before the word that follows, and before the chunk that it is in where words have spaces. */
static void write_inserted(lm_edit_room *r, size_t count)
{
    size_t next = 0, from = 0;
    for (size_t i = 0; i < r->words.count && next < count;) {
        const lm_text_word *word = &r->words.at[i];
        bool alone = word->kind == LM_WORD_ALONE;
        /* words that a blank before their chunk is good for */
        size_t end = i + 1;
        while (!alone && end < r->words.chunks[word->chunk + 1].word && r->words.at[end].kind != LM_WORD_ALONE)
            end++;
        size_t at = alone || i > r->words.chunks[word->chunk].word ? word->from : r->words.chunks[word->chunk].from;
        put(r, from, at);
        from = at;
        for (; next < count && r->inserted[next].position < end + next; next++) {
            lm_case_like(r->inserted[next].synonym, r->inserted[next].model, &r->out);
            if (!alone)
                lm_buf_putc(&r->out, ' ');
        }
        i = end;
    }
    put(r, from, r->words.text.len);
}

static bool insert_words(lm_edit_room *r, const lm_edit_words *w, size_t most, lm_draws *draws, lm_status *st)
{
    size_t n = r->words.count, candidates = 0, count = 0;
    uint32_t *order = numbers(r, n);
    for (size_t i = 0; i < n; i++)
        if (has_meaning(r, w, i))
            order[candidates++] = (uint32_t)i;
    if (most > r->inserted_cap) {
        r->inserted_cap = 2 * most;
        r->inserted = lm_realloc(r->inserted, r->inserted_cap, sizeof *r->inserted);
    }
    for (size_t k = 0; candidates && k < most; k++) {
        struct lm_inserted *new = &r->inserted[count];
        *new = (struct lm_inserted){0};
        for (int tries = 0; !new->synonym.data && tries < TRIES; tries++) {
            size_t of = lm_draw_below(draws, (uint32_t)(candidates + count));
            const struct lm_inserted *old = of < candidates ? NULL : &r->inserted[of - candidates];
            new->model = old ? old->model : lm_text_word_str(&r->words, order[of]);
            if (!draw_synonym(r, w, old ? old->synonym : lower_of(r, order[of]), draws, &new->synonym, st))
                return false;
        }
        if (!new->synonym.data)
            continue;
        new->position = lm_draw_below(draws, (uint32_t)(n + count));
        count++;
    }
    if (count) {
        settle_positions(r, count);
        qsort(r->inserted, count, sizeof *r->inserted, by_position);
    }
    write_inserted(r, count);
    return true;
}

/* ------------------------------------------------------------------ swapping, deletion */

static void swap_words(lm_edit_room *r, size_t times, lm_draws *draws)
{
    size_t n = r->words.count, candidates = 0;
    uint32_t *order = numbers(r, n);
    for (size_t i = 0; i < n; i++)
        if (!r->of[i].stays)
            order[candidates++] = (uint32_t)i;
    for (; candidates > 1 && times; times--) {
        uint32_t a = order[lm_draw_below(draws, (uint32_t)candidates)], b = a;
        for (int tries = 0; b == a && tries < DRAWS; tries++)
            b = order[lm_draw_below(draws, (uint32_t)candidates)];
        uint32_t stood = r->of[a].stands;
        r->of[a].stands = r->of[b].stands;
        r->of[b].stands = stood;
    }
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        const lm_text_word *now = &r->words.at[r->of[i].stands];
        put(r, from, r->words.at[i].from);
        put(r, now->from, now->to);
        from = r->words.at[i].to;
    }
    put(r, from, r->words.text.len);
}

/* What is left of a chunk in which some words stay. What joined a word to its neighbour goes with it. */
static void write_rest(lm_edit_room *r, const lm_text_chunk *chunk)
{
    size_t from = chunk->from, end = chunk[1].word;
    bool some = false;
    for (size_t i = chunk->word; i < end; i++) {
        const lm_text_word *word = &r->words.at[i];
        bool alone = word->kind == LM_WORD_ALONE;
        if (!r->of[i].gone) {
            put(r, from, word->to);
            from = word->to;
            some = true;
            continue;
        }
        if (alone || !some)
            put(r, from, word->from);
        from = !alone && !some && i + 1 < end ? word[1].from : word->to;
    }
    put(r, from, chunk->to);
}

/* The text without the words that are gone. Chunks of which no word is left go with their punctuation, and of the white space on
 * their two sides one stays: that with a line break, if there is one. */
static void write_kept(lm_edit_room *r)
{
    lm_str text = r->words.text, space = {0};
    size_t before = 0;
    bool dropped = false, begun = false;
    for (size_t c = 0; c <= r->words.chunk_count; c++) {
        const lm_text_chunk *chunk = &r->words.chunks[c];
        lm_str here = {text.data + before, chunk->from - before};
        bool last = c == r->words.chunk_count;
        if (!dropped || (begun && !last && !memchr(space.data, '\n', space.len) && memchr(here.data, '\n', here.len)) || last)
            space = here;
        before = chunk->to;
        size_t words = last ? 0 : chunk[1].word - chunk->word, gone = 0;
        for (size_t i = 0; i < words; i++)
            gone += r->of[chunk->word + i].gone;
        dropped = words && gone == words;
        if (dropped)
            continue;
        lm_buf_append(&r->out, space.data, space.len);
        begun = true;
        if (!last)
            write_rest(r, chunk);
    }
}

static void delete_words(lm_edit_room *r, double share, lm_draws *draws)
{
    size_t n = r->words.count, left = 0;
    for (size_t i = 0; i < n; i++) {
        r->of[i].gone = !r->of[i].stays && lm_draw_chance(draws, share);
        left += !r->of[i].gone;
    }
    if (left == 0 && n) /* a single word too */
        r->of[lm_draw_below(draws, (uint32_t)n)].gone = false;
    write_kept(r);
}

bool lm_edit_text(lm_edit_room *r, const lm_edit_words *w, lm_eda_edit edit, double share, lm_str text, lm_draws *draws,
                  lm_status *st)
{
    const void *entries;
    lm_longest_entry *longest = lm_synonyms_longest(w->synonyms, &entries);
    if (!lm_text_words_split(&r->words, text, longest, entries, st))
        return false;
    look_at_words(r, w);
    r->out.len = 0;
    size_t most = (size_t)(share * (double)r->words.count);
    if (most == 0)
        most = 1;
    switch (edit) {
    case LM_EDIT_SYNONYM:
        return replace_words(r, w, most, draws, st);
    case LM_EDIT_INSERT:
        return insert_words(r, w, most, draws, st);
    case LM_EDIT_SWAP:
        swap_words(r, most, draws);
        return true;
    default:
        delete_words(r, share, draws);
        return true;
    }
}
