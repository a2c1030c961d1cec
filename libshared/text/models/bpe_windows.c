/* A long word, in windows. Two tokens that stand side by side in what BPE makes of some text are what it makes of the two alone,
 * because no merge reaches beyond them; and tokens of which all neighbours are of this kind are what it makes of the whole, because
 * the first merge over a border would also have happened in the two at that border. So windows may begin anywhere, and where two of them
 * have the same token at the same place, the tokens of one up to it and those of the other from it on are what is made of both: every
 * pair of neighbours was seen in a window. Several windows that overlap a little are merged side by side and then joined so. Behind the
 * last of them, or where two have no token in common, the next one begins with a token of the one before, and has to begin with it
 * still. Where it is another token, the window before was too short, and is tried again with twice the length. Time is linear in the
 * length of a word, and what is needed beside its tokens does not grow with it. */
#include "text/models/bpe.h"

#include "base/memory.h"

/* Windows begin 48 symbols apart, where tokens of runs of one character begin, too. They overlap by so many, or up to three fewer, since
 * a character of up to four symbols may not have room. */
enum { APART = 48, OVERLAP = LM_BPE_SHORT - APART };

/* A window of few symbols: where it begins in the word, and what bytes its symbols are. */
typedef struct window {
    size_t from, n;
    size_t next;   /* with this symbol begins the next window */
    size_t merged; /* which of those that are merged has its tokens */
    uint8_t starts[LM_BPE_SHORT + 1]; /* byte of each symbol, counted from the window's first; [n]: its end */
} window;

typedef struct walker {
    const lm_token_model *m;
    lm_str word;
    bool chars; /* windows begin with whole characters */
    lm_bpe_window *cut;
    lm_model_scratch *scratch;
    lm_word_walk *walk;
    lm_token_list *out;
} walker;

static bool inside_char(const walker *w, size_t i)
{
    return w->chars && i < w->word.len && ((unsigned char)w->word.data[i] & 0xC0) == 0x80;
}

/* ---------------------------------------------------------------- places */

static int64_t tokens_of(const walker *w)
{
    return w->walk->first + (int64_t)w->out->n;
}

/* Goes on from there; tokens behind it are no longer true, even those that were given away. */
static void go_to(walker *w, lm_word_place to)
{
    lm_word_walk *k = w->walk;
    k->now = to;
    if (to.n >= k->first) {
        w->out->n = (size_t)(to.n - k->first);
        return;
    }
    w->out->n = 0;
    k->first = to.n;
    k->begin = to.from;
}

/* The token that was to begin here does not: from the last place with twice the length. If that did not help before, from the start, and
 * never so short again. */
static void go_back(walker *w)
{
    lm_word_walk *k = w->walk;
    lm_word_place to = k->last;
    if (to.length == 0)
        to.length = k->shortest *= 2;
    to.length *= 2;
    k->last = (lm_word_place){.expected = -1};
    go_to(w, to);
}

/* The next place: what was made from `last` on is done. */
static void go_on(walker *w, lm_word_place last, size_t from, int32_t expected)
{
    lm_word_walk *k = w->walk;
    k->last = last;
    k->now = (lm_word_place){from, tokens_of(w), expected, last.length / 2 > k->shortest ? last.length / 2 : k->shortest};
}

/* ---------------------------------------------------------------- one window of any length */

/* How many of a window's tokens stay, so that a quarter of it is left to be seen again; 0: it is too short. */
static size_t tokens_to_keep(const walker *w, const lm_token_list *tokens, size_t from, size_t len)
{
    size_t keep = 0;
    for (size_t i = 1; i < tokens->n; i++) {
        size_t start = (size_t)tokens->at[i - 1].end;
        if (inside_char(w, from + start))
            continue;
        if (keep && start > len - len / 4)
            break;
        keep = i;
    }
    return keep;
}

static void one_window(walker *w)
{
    lm_token_list *tokens = &w->scratch->window;
    lm_word_place now = w->walk->now;
    size_t len = w->word.len - now.from < now.length ? w->word.len - now.from : now.length;
    while (inside_char(w, now.from + len))
        len++;
    bool end = now.from + len == w->word.len;
    tokens->n = 0;
    w->cut(w->m, (lm_str){w->word.data + now.from, len}, w->scratch, tokens);
    if (now.expected >= 0 && tokens->at[0].id != now.expected) {
        go_back(w);
        return;
    }
    size_t keep = end ? tokens->n : tokens_to_keep(w, tokens, now.from, len);
    if (keep == 0) {
        w->walk->now.length *= 2;
        return;
    }
    for (size_t i = 0; i < keep; i++)
        lm_token_push(w->out, tokens->at[i].id, (int32_t)(now.from + (size_t)tokens->at[i].end));
    go_on(w, now, now.from + (size_t)tokens->at[keep - 1].end, end ? -1 : tokens->at[keep].id);
}

/* ---------------------------------------------------------------- several short ones */

/* Bits of the symbols with which tokens begin, and of the end. */
static uint64_t starts_of(const lm_bpe_short *s)
{
    return s->alive >> 1;
}

/* Where the next window begins, with a whole character. */
static size_t next_window(const walker *w, const window *at)
{
    size_t i = at->n + 3 >= LM_BPE_SHORT ? APART : at->n > 2 * OVERLAP ? at->n - OVERLAP : at->n / 2;
    while (i > 0 && inside_char(w, at->from + at->starts[i]))
        i--;
    return i;
}

static void read_window(walker *w, window *at, lm_bpe_short *s)
{
    lm_str rest = {w->word.data + at->from, w->word.len - at->from};
    size_t end = 0;
    if (w->chars) {
        lm_symbol symbols[LM_BPE_SHORT];
        at->n = lm_bpe_symbols(w->m, rest, w->scratch, symbols);
        lm_bpe_short_symbols(w->m->own, symbols, at->n, s);
        for (size_t i = 0; i < at->n; i++) {
            at->starts[i] = (uint8_t)end;
            end += (size_t)symbols[i].len;
        }
    } else {
        at->n = rest.len < LM_BPE_SHORT ? rest.len : LM_BPE_SHORT;
        lm_bpe_short_bytes(w->m->own, (lm_str){rest.data, at->n}, s);
        for (size_t i = 0; i < at->n; i++)
            at->starts[i] = (uint8_t)i;
        end = at->n;
    }
    at->starts[at->n] = (uint8_t)end;
    at->next = next_window(w, at);
}

static size_t end_of(const window *at)
{
    return at->from + at->starts[at->n];
}

/* Whether the bytes of a window, behind which there are others, are those from another place on, too. */
static bool comes_again(const walker *w, const window *at, size_t from)
{
    size_t n = at->starts[at->n];
    return w->word.len - from >= n && memcmp(w->word.data + at->from, w->word.data + from, n) == 0;
}

/* How many there are; *merges: how many of them are to be merged, since what repeats itself is merged once. */
static size_t read_windows(walker *w, window *at, lm_bpe_short *s, size_t *merges)
{
    size_t n = 0;
    for (size_t from = w->walk->now.from;; from += at[n - 1].starts[at[n - 1].next]) {
        if (n && comes_again(w, &at[n - 1], from)) {
            at[n] = at[n - 1];
            at[n].from = from;
        } else {
            at[n].from = from;
            at[n].merged = *merges;
            read_window(w, &at[n], &s[(*merges)++]);
        }
        n++;
        if (end_of(&at[n - 1]) == w->word.len || !at[n - 1].next || n == w->walk->several)
            return n;
    }
}

/* The symbol of the second window with which a token begins that both have; -1: there is none. */
static int shared_token(const walker *w, const window *at, const lm_bpe_short *merged)
{
    const lm_bpe_short *first = &merged[at[0].merged], *second = &merged[at[1].merged];
    uint64_t both = starts_of(first) >> at[0].next & starts_of(second);
    for (both &= (UINT64_C(1) << (at[0].n - at[0].next)) - 1; both; both &= both - 1) {
        int i = __builtin_ctzll(both);
        if (first->id[at[0].next + (size_t)i + 1] == second->id[i + 1] && !inside_char(w, at[1].from + at[1].starts[i]))
            return i;
    }
    return -1;
}

/* The tokens of a window that begin with symbols [from, to). */
static void put_tokens(walker *w, const window *at, const lm_bpe_short *s, size_t from, size_t to)
{
    uint64_t starts = starts_of(s) >> from;
    while (from < to) {
        size_t n = (size_t)__builtin_ctzll(starts >> 1) + 1;
        lm_token_push(w->out, s->id[from + 1], (int32_t)(at->from + at->starts[from + n]));
        from += n;
        starts >>= n;
    }
}

/* The symbol up to which a window's tokens from the symbol `from` on stay, as tokens_to_keep; `from`: it is too short. */
static size_t symbols_to_keep(const walker *w, const window *at, const lm_bpe_short *s, size_t from)
{
    uint64_t starts = starts_of(s) & ~((UINT64_C(2) << from) - 1) & ((UINT64_C(1) << at->n) - 1);
    size_t keep = from;
    for (; starts; starts &= starts - 1) {
        size_t i = (size_t)__builtin_ctzll(starts);
        if (inside_char(w, at->from + at->starts[i]))
            continue;
        if (keep > from && i > at->n - OVERLAP)
            break;
        keep = i;
    }
    return keep;
}

static void short_windows(walker *w)
{
    lm_bpe_short s[LM_BPE_AT_ONCE];
    window at[LM_BPE_AT_ONCE];
    size_t merges = 0, n = read_windows(w, at, s, &merges), k = 0, from = 0;
    lm_bpe_merge_short(w->m->own, s, merges);
    if (w->walk->now.expected >= 0 && s[0].id[1] != w->walk->now.expected) {
        go_back(w);
        return;
    }
    for (int shared; k + 1 < n && (shared = shared_token(w, &at[k], s)) >= 0; k++) {
        put_tokens(w, &at[k], &s[at[k].merged], from, at[k].next + (size_t)shared);
        from = (size_t)shared;
    }
    const lm_bpe_short *at_end = &s[at[k].merged];
    bool end = end_of(&at[k]) == w->word.len;
    w->walk->several = k + 1 < n ? k + 1 : 2 * n < LM_BPE_AT_ONCE ? 2 * n : LM_BPE_AT_ONCE; /* those behind were in vain */
    size_t keep = end ? at[k].n : symbols_to_keep(w, &at[k], at_end, from);
    lm_word_place last = {at[k].from + at[k].starts[from], tokens_of(w), k || from ? at_end->id[from + 1] : w->walk->now.expected,
                          w->walk->now.length};
    if (keep == from) {
        last.length *= 2;
        w->walk->now = last;
        return;
    }
    put_tokens(w, &at[k], at_end, from, keep);
    go_on(w, last, at[k].from + at[k].starts[keep], end ? -1 : at_end->id[keep + 1]);
}

bool lm_bpe_in_windows(const lm_token_model *m, lm_str word, bool chars, lm_bpe_window *cut, lm_model_scratch *scratch,
                       lm_word_walk *walk, size_t most, lm_token_list *out)
{
    walker w = {m, word, chars, cut, scratch, walk, out};
    if (!walk->shortest) {
        walk->shortest = LM_BPE_SHORT;
        walk->several = LM_BPE_AT_ONCE;
        walk->now = (lm_word_place){.expected = -1, .length = LM_BPE_SHORT};
        walk->last = (lm_word_place){.expected = -1};
    }
    while (walk->now.from < word.len && out->n < most) {
        if (walk->now.length == LM_BPE_SHORT)
            short_windows(&w);
        else
            one_window(&w);
    }
    return walk->now.from < word.len;
}
