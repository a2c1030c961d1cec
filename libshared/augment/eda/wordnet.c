#include "augment/eda/wordnet.h"

#include "base/map.h"
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

enum { PARTS = 4, WORD_MAX = 80 /* bytes of a word that is looked up: WordNet's longest lemma has 71 */, FORMS_MAX = 64 };

static const char *const parts[PARTS] = {"noun", "verb", "adj", "adv"};

/* Rules of detachment: an ending, and what stands for it. */
static const struct rule {
    const char *ending, *base;
} rules[PARTS][10] = {
    {{"s", ""}, {"ses", "s"}, {"ves", "f"}, {"xes", "x"}, {"zes", "z"}, {"ches", "ch"}, {"shes", "sh"}, {"men", "man"},
     {"ies", "y"}},
    {{"s", ""}, {"ies", "y"}, {"es", "e"}, {"es", ""}, {"ed", "e"}, {"ed", ""}, {"ing", "e"}, {"ing", ""}},
    {{"er", ""}, {"est", ""}, {"er", "e"}, {"est", "e"}},
};

struct lm_wordnet {
    char *directory;
    struct part {
        lm_map index, data, exceptions;
    } of[PARTS];
};

char *lm_wordnet_directory(void)
{
    const char *said = getenv("WNSEARCHDIR"), *home = getenv("WNHOME");
    if (said && *said)
        return lm_strdup(said);
    if (home && *home)
        return lm_format("%s/dict", home);
    static const char *const usual[] = {"/usr/share/wordnet", "/usr/share/wordnet/dict", "/usr/local/share/wordnet",
                                        "/usr/local/WordNet-3.0/dict", "/opt/homebrew/opt/wordnet/dict"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        char *index = lm_format("%s/index.noun", usual[i]);
        bool there = access(index, R_OK) == 0;
        free(index);
        if (there)
            return lm_strdup(usual[i]);
    }
    return NULL;
}

static bool map_file(const char *directory, const char *before, const char *after, lm_map *map, lm_status *st)
{
    char *path = lm_format("%s/%s%s", directory, before, after);
    bool ok = lm_map_open(path, map, st);
    free(path);
    return ok;
}

lm_wordnet *lm_wordnet_open(const char *directory, lm_status *st)
{
    lm_wordnet *w = lm_calloc(1, sizeof *w);
    w->directory = lm_strdup(directory);
    bool ok = true;
    for (int p = 0; ok && p < PARTS; p++) {
        struct part *part = &w->of[p];
        ok = map_file(directory, "index.", parts[p], &part->index, st) && map_file(directory, "data.", parts[p], &part->data, st) &&
             map_file(directory, parts[p], ".exc", &part->exceptions, st);
    }
    if (ok)
        return w;
    lm_wordnet_close(w);
    return NULL;
}

void lm_wordnet_close(lm_wordnet *w)
{
    if (!w)
        return;
    for (int p = 0; p < PARTS; p++) {
        lm_map_close(&w->of[p].index);
        lm_map_close(&w->of[p].data);
        lm_map_close(&w->of[p].exceptions);
    }
    free(w->directory);
    free(w);
}

static lm_str mapped(const lm_map *map)
{
    return (lm_str){map->bytes, map->size};
}

/* The next word of a line; empty at its end. */
static lm_str take_word(lm_str *line)
{
    size_t i = 0, from;
    while (i < line->len && line->data[i] == ' ')
        i++;
    for (from = i; i < line->len && line->data[i] != ' '; i++)
        ;
    lm_str word = {line->data + from, i - from};
    *line = (lm_str){line->data + i, line->len - i};
    return word;
}

static bool take_number(lm_str *line, int base, size_t *value)
{
    lm_str word = take_word(line);
    char digits[16], *end;
    if (word.len == 0 || word.len >= sizeof digits)
        return false;
    memcpy(digits, word.data, word.len);
    digits[word.len] = '\0';
    *value = strtoul(digits, &end, base);
    return *end == '\0' && digits[0] != '-';
}

/* The rest of the line of a sorted file whose first word is `key`. */
static bool find_line(lm_str file, lm_str key, lm_str *line)
{
    size_t low = 0, high = file.len; /* the line begins in [low,high), and low is the beginning of one */
    while (low < high) {
        size_t begin = low + (high - low) / 2;
        while (begin > low && file.data[begin - 1] != '\n')
            begin--;
        lm_str rest = {file.data + begin, file.len - begin}, before = rest, word;
        lm_str_take_line(&rest, line);
        const char *end = memchr(line->data, ' ', line->len);
        word = (lm_str){line->data, end ? (size_t)(end - line->data) : line->len};
        int order = memcmp(key.data, word.data, key.len < word.len ? key.len : word.len);
        if (order == 0 && key.len == word.len) {
            *line = (lm_str){line->data + word.len, line->len - word.len};
            return true;
        }
        if (order < 0 || (order == 0 && key.len < word.len))
            high = begin;
        else
            low = begin + (before.len - rest.len);
    }
    return false;
}

static bool damaged(const lm_wordnet *w, const char *file, int part, lm_str word, lm_status *st)
{
    return lm_fail(st, LM_FAILED, "%s/%s.%s: the entry of `%.*s` is damaged: install WordNet again", w->directory, file, parts[part],
                   (int)word.len, word.data);
}

/* The lemmas of the synset at `offset`. */
static bool read_synset(const lm_wordnet *w, int part, lm_str word, size_t offset, void (*found)(void *, lm_str), void *to,
                        lm_status *st)
{
    lm_str data = mapped(&w->of[part].data), line = {0};
    size_t here, count, id;
    if (offset < data.len) {
        lm_str rest = {data.data + offset, data.len - offset};
        lm_str_take_line(&rest, &line);
    }
    bool ok = take_number(&line, 10, &here) && here == offset;
    take_word(&line); /* lexicographer's file */
    take_word(&line); /* type */
    ok = ok && take_number(&line, 16, &count);
    for (size_t i = 0; ok && i < count; i++) {
        lm_str lemma = take_word(&line);
        char text[WORD_MAX];
        ok = lemma.len > 0 && lemma.len <= sizeof text && take_number(&line, 16, &id);
        if (!ok)
            break;
        const char *marker = memchr(lemma.data, '(', lemma.len); /* where an adjective may stand: (a), (p), (ip) */
        size_t n = marker && marker > lemma.data ? (size_t)(marker - lemma.data) : lemma.len;
        for (size_t k = 0; k < n; k++)
            text[k] = lemma.data[k] == '_' ? ' ' : lemma.data[k];
        found(to, (lm_str){text, n});
    }
    return ok || damaged(w, "data", part, word, st);
}

/* lemma pos synset_cnt p_cnt [ptr_symbol...] sense_cnt tagsense_cnt synset_offset [synset_offset...] */
static bool read_senses(const lm_wordnet *w, int part, lm_str word, lm_str line, void (*found)(void *, lm_str), void *to,
                        lm_status *st)
{
    size_t senses, pointers, number, offset;
    take_word(&line);
    if (!take_number(&line, 10, &senses) || !take_number(&line, 10, &pointers))
        return damaged(w, "index", part, word, st);
    for (size_t i = 0; i < pointers && line.len; i++)
        take_word(&line);
    if (!take_number(&line, 10, &number) || !take_number(&line, 10, &number))
        return damaged(w, "index", part, word, st);
    for (size_t i = 0; i < senses; i++) {
        if (!take_number(&line, 10, &offset))
            return damaged(w, "index", part, word, st);
        if (!read_synset(w, part, word, offset, found, to, st))
            return false;
    }
    return true;
}

/* Base forms of a word that have been tried, each once. */
typedef struct forms {
    struct form {
        char text[WORD_MAX + 2];
        size_t len;
    } at[FORMS_MAX];
    size_t count;
} forms;

static void add_form(forms *f, lm_str stem, const char *ending)
{
    size_t n = strlen(ending);
    if (f->count == FORMS_MAX || stem.len + n == 0 || stem.len + n > sizeof f->at->text)
        return;
    struct form *form = &f->at[f->count];
    memcpy(form->text, stem.data, stem.len);
    memcpy(form->text + stem.len, ending, n);
    form->len = stem.len + n;
    for (size_t i = 0; i < f->count; i++)
        if (f->at[i].len == form->len && memcmp(f->at[i].text, form->text, form->len) == 0)
            return;
    f->count++;
}

static lm_str form_at(const forms *f, size_t i)
{
    return (lm_str){f->at[i].text, f->at[i].len};
}

/* What the rules make of the forms [from,to), added behind them. */
static void detach(int part, forms *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        for (const struct rule *r = rules[part]; r->ending; r++) {
            lm_str form = form_at(f, i);
            size_t n = strlen(r->ending);
            if (form.len >= n && memcmp(form.data + form.len - n, r->ending, n) == 0)
                add_form(f, (lm_str){form.data, form.len - n}, r->base);
        }
}

/* The senses of the forms [from,to); *some tells that one of them is a word. */
static bool read_forms(const lm_wordnet *w, int part, const forms *f, size_t from, size_t to, bool *some,
                       void (*found)(void *, lm_str), void *out, lm_status *st)
{
    lm_str line;
    for (size_t i = from; i < to; i++) {
        if (!find_line(mapped(&w->of[part].index), form_at(f, i), &line))
            continue;
        *some = true;
        if (!read_senses(w, part, form_at(f, i), line, found, out, st))
            return false;
    }
    return true;
}

bool lm_wordnet_synonyms(const lm_wordnet *w, lm_str word, void (*found)(void *to, lm_str lemma), void *to, lm_status *st)
{
    if (word.len == 0 || word.len > WORD_MAX || memchr(word.data, '\n', word.len) || memchr(word.data, ' ', word.len))
        return true;
    for (int part = 0; part < PARTS; part++) {
        forms f = {.count = 0};
        lm_str line;
        bool some = false;
        add_form(&f, word, "");
        bool exception = find_line(mapped(&w->of[part].exceptions), word, &line);
        for (lm_str base; exception && (base = take_word(&line)).len;)
            add_form(&f, base, "");
        if (!exception)
            detach(part, &f, 0, 1);
        size_t from = 0, to_form = f.count;
        while (from < to_form) {
            if (!read_forms(w, part, &f, from, to_form, &some, found, to, st))
                return false;
            if (some || exception)
                break;
            size_t next = to_form;
            detach(part, &f, from ? from : 1, to_form);
            from = next, to_form = f.count;
        }
    }
    return true;
}
