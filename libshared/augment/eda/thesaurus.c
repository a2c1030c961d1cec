#include "augment/eda/thesaurus.h"

#include "augment/words/case.h"
#include "augment/words/word_lines.h"
#include "base/memory.h"
#include "text/train/word_counts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

/* A word has a synonym: numbers of `words` and `spellings`. */
typedef struct link {
    uint32_t word, synonym;
} link;

struct lm_thesaurus {
    lm_word_counts words;     /* what can be looked up, in lower case; `count` is where its links begin */
    lm_word_counts spellings; /* of synonyms, as they are written */
    link *links;              /* of word after word once it is finished, before that as they came */
    size_t count, cap;
    size_t longest;           /* bytes of the longest word */
    lm_buf lower;
};

lm_thesaurus *lm_thesaurus_new(void)
{
    return lm_calloc(1, sizeof(lm_thesaurus));
}

void lm_thesaurus_free(lm_thesaurus *t)
{
    if (!t)
        return;
    lm_word_counts_free(&t->words);
    lm_word_counts_free(&t->spellings);
    free(t->links);
    lm_buf_free(&t->lower);
    free(t);
}

/* ------------------------------------------------------------------ reading */

static lm_str trimmed(lm_str s)
{
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    while (s.len && (*s.data == ' ' || *s.data == '\t'))
        s.data++, s.len--;
    return s;
}

/* Takes the part before `separator` off *rest. */
static bool take_part(lm_str *rest, char separator, lm_str *part)
{
    if (!rest->data)
        return false;
    const char *end = memchr(rest->data, separator, rest->len);
    size_t n = end ? (size_t)(end - rest->data) : rest->len;
    *part = trimmed((lm_str){rest->data, n});
    *rest = end ? (lm_str){end + 1, rest->len - n - 1} : (lm_str){0};
    return true;
}

static uint32_t number_of(lm_thesaurus *t, lm_str word)
{
    t->lower.len = 0;
    lm_lower_case(word, &t->lower);
    if (t->lower.len > t->longest)
        t->longest = t->lower.len;
    return (uint32_t)lm_word_counts_number(&t->words, lm_buf_str(&t->lower));
}

static void add(lm_thesaurus *t, uint32_t word, lm_str synonym)
{
    if (!synonym.len)
        return;
    uint32_t spelling = (uint32_t)lm_word_counts_number(&t->spellings, synonym);
    LM_GROW(t->links, t->count, t->cap);
    t->links[t->count++] = (link){word, spelling};
}

/* word<TAB>synonym, synonym, or a list of words. */
static bool read_line(lm_thesaurus *t, lm_str line)
{
    lm_str rest = line, word, list, other;
    if (memchr(line.data, '\t', line.len)) {
        take_part(&rest, '\t', &word);
        list = rest;
        uint32_t number = word.len ? number_of(t, word) : 0;
        while (word.len && take_part(&list, ',', &other))
            add(t, number, other);
        return word.len > 0;
    }
    if (!memchr(line.data, ',', line.len))
        return false;
    while (take_part(&rest, ',', &word)) {
        uint32_t number = word.len ? number_of(t, word) : 0;
        for (list = line; word.len && take_part(&list, ',', &other);)
            add(t, number, other);
    }
    return true;
}

/* (noun)|house|home (generic term): without what is said in brackets to be something else. */
static void read_meaning(lm_thesaurus *t, uint32_t word, lm_str line)
{
    lm_str part;
    take_part(&line, '|', &part); /* the part of speech */
    while (take_part(&line, '|', &part))
        if (!part.len || part.data[part.len - 1] != ')')
            add(t, word, part);
}

/* The number behind the last bar of `house|3`; -1: there is none. */
static long meanings_of(lm_str line, lm_str *word)
{
    const char *bar = memrchr(line.data, '|', line.len);
    if (!bar)
        return -1;
    *word = trimmed((lm_str){line.data, (size_t)(bar - line.data)});
    long n = 0;
    const char *end = line.data + line.len, *c = bar + 1;
    for (; c < end && isdigit((unsigned char)*c) && n < 100000; c++)
        n = 10 * n + (*c - '0');
    return c == end && c > bar + 1 ? n : -1;
}

static bool bad_line(const lm_word_lines *lines, const char *path, const char *why, lm_status *st)
{
    return lm_fail(st, LM_FAILED, "--thesaurus: %s:%" PRIu64 ": %s", path, lm_word_lines_number(lines), why);
}

/* Entries of MyThes: a word with the number of its meanings, and a line for each. `line` is the first. */
static bool read_mythes(lm_thesaurus *t, lm_word_lines *lines, lm_str line, const char *path, lm_status *st)
{
    do {
        lm_str word;
        long meanings = meanings_of(line, &word);
        if (meanings < 0)
            return bad_line(lines, path, "not `word|number of meanings`, as a MyThes file has it here", st);
        uint32_t number = number_of(t, word);
        for (; meanings > 0; meanings--) {
            if (!lm_word_lines_next(lines, &line, st))
                return lm_ok(st) ? bad_line(lines, path, "the file ends within an entry", st) : false;
            read_meaning(t, number, line);
        }
    } while (lm_word_lines_next(lines, &line, st));
    return lm_ok(st);
}

/* Whether a first line is the name of an encoding, as MyThes files begin. */
static bool is_encoding(lm_str line)
{
    return line.len < 32 && !memchr(line.data, '\t', line.len) && !memchr(line.data, ',', line.len) &&
           (memmem(line.data, line.len, "UTF", 3) || memmem(line.data, line.len, "ISO", 3) || memmem(line.data, line.len, "KOI8", 4));
}

bool lm_thesaurus_read(lm_thesaurus *t, const char *path, lm_status *st)
{
    lm_word_lines *lines = lm_word_lines_open(path, "--thesaurus", st);
    lm_str line;
    if (lines && lm_word_lines_next(lines, &line, st)) {
        if (is_encoding(line)) {
            char *encoding = lm_strndup(line.data, line.len);
            if (lm_word_lines_decode(lines, encoding, st) && lm_word_lines_next(lines, &line, st))
                read_mythes(t, lines, line, path, st);
            free(encoding);
        } else {
            do
                if (!read_line(t, line))
                    bad_line(lines, path, "neither `word<TAB>synonym, synonym` nor `word, word`: separate the word by a tab", st);
            while (lm_ok(st) && lm_word_lines_next(lines, &line, st));
        }
    }
    lm_word_lines_close(lines);
    return lm_ok(st);
}

void lm_thesaurus_finish(lm_thesaurus *t)
{
    /* counted and distributed, so that the links of a word stay in their order */
    size_t *begin = lm_calloc(t->words.n + 1, sizeof *begin);
    for (size_t i = 0; i < t->count; i++)
        begin[t->links[i].word + 1]++;
    for (size_t i = 0; i < t->words.n; i++) {
        begin[i + 1] += begin[i];
        t->words.words[i].count = begin[i];
    }
    link *sorted = lm_malloc(t->count + 1, sizeof *sorted);
    for (size_t i = 0; i < t->count; i++)
        sorted[begin[t->links[i].word]++] = t->links[i];
    free(begin);
    free(t->links);
    t->links = sorted;
}

/* ------------------------------------------------------------------ looking up */

void lm_thesaurus_synonyms(const lm_thesaurus *t, lm_str word, void (*found)(void *to, lm_str synonym), void *to)
{
    int32_t number = lm_word_counts_find(&t->words, word);
    if (number < 0)
        return;
    size_t end = (size_t)number + 1 < t->words.n ? t->words.words[number + 1].count : t->count;
    for (size_t i = t->words.words[number].count; i < end; i++)
        found(to, lm_word_counts_word(&t->spellings, t->links[i].synonym));
}

size_t lm_thesaurus_longest(const void *thesaurus, lm_str text)
{
    const lm_thesaurus *t = thesaurus;
    size_t n = text.len < t->longest ? text.len : t->longest;
    for (; n; n--) {
        bool whole = n == text.len || ((unsigned char)text.data[n] & 0xC0) != 0x80;
        if (whole && lm_word_counts_find(&t->words, (lm_str){text.data, n}) >= 0)
            return n;
    }
    return 0;
}
