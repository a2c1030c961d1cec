#include "augment/typos/dictionary.h"

#include "config.h"

#ifdef HAVE_HUNSPELL

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <errno.h>
#include <hunspell.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { LETTERS_MAX = 256, WORD_MAX = 256 };

typedef struct volume {
    Hunhandle *words;
    iconv_t to, from; /* its encoding; (iconv_t)-1: it is UTF-8 */
} volume;

struct lm_dictionary {
    volume *volumes;
    int count;
    uint32_t letters[LETTERS_MAX];
    int letter_count;
};

/* ------------------------------------------------------------------ where they are */

static bool readable(const char *stem, const char *suffix)
{
    char *path = lm_format("%s%s", stem, suffix);
    bool ok = access(path, R_OK) == 0;
    free(path);
    return ok;
}

/* The path without .dic of what `name` stands for, malloced; NULL: it is nowhere. */
static char *stem_of(lm_str name)
{
    char *stem = lm_strndup(name.data, name.len);
    size_t n = name.len;
    if (n > 4 && strcmp(stem + n - 4, ".dic") == 0)
        stem[n - 4] = 0;
    if (readable(stem, ".dic") && readable(stem, ".aff"))
        return stem;
    const char *own = getenv("DICPATH");
    char *places = lm_format("%s%s/usr/share/hunspell:/usr/local/share/hunspell:/usr/share/myspell:/usr/share/myspell/dicts:"
                             "/opt/homebrew/share/hunspell", own ? own : "", own ? ":" : "");
    char *rest = places, *place, *found = NULL;
    while (!found && !strchr(stem, '/') && (place = strsep(&rest, ":"))) {
        found = lm_format("%s/%s", place, stem);
        if (!readable(found, ".dic") || !readable(found, ".aff")) {
            free(found);
            found = NULL;
        }
    }
    free(places);
    free(stem);
    return found;
}

/* ------------------------------------------------------------------ encodings */

/* False: it cannot be said in the other encoding, or is too long. */
static bool convert(iconv_t cd, lm_str in, char *out, size_t size)
{
    char *from = (char *)in.data, *to = out;
    size_t left = in.len, room = size - 1;
    if (cd == (iconv_t)-1) {
        if (in.len >= size)
            return false;
        memcpy(out, in.data, in.len);
        out[in.len] = 0;
        return true;
    }
    iconv(cd, NULL, NULL, NULL, NULL);
    if (iconv(cd, &from, &left, &to, &room) == (size_t)-1)
        return false;
    *to = 0;
    return true;
}

/* ------------------------------------------------------------------ letters */

static void add_letter(lm_dictionary *d, uint32_t code)
{
    unsigned is = lm_unicode_properties(code);
    bool jamo = code >= 0x1100 && code <= 0x11FF; /* Korean is typed by keys */
    if (!(is & LM_CP_WORD) || (is & (LM_CP_LOWER | LM_CP_NUMBER | LM_CP_MARK)) || jamo || d->letter_count == LETTERS_MAX)
        return;
    for (int i = 0; i < d->letter_count; i++)
        if (d->letters[i] == code)
            return;
    d->letters[d->letter_count++] = code;
}

/* Those that the line TRY of an .aff file names. */
static void add_letters(lm_dictionary *d, const volume *v, const char *aff)
{
    FILE *file = fopen(aff, "r");
    char *line = NULL, text[4 * LETTERS_MAX + 1];
    size_t cap = 0;
    ssize_t n;
    while (file && (n = getline(&line, &cap, file)) > 0) {
        if (strncmp(line, "TRY ", 4) != 0)
            continue;
        n = (ssize_t)strcspn(line + 4, " \r\n");
        if (!convert(v->from, (lm_str){line + 4, (size_t)n}, text, sizeof text))
            break;
        uint32_t code;
        for (size_t i = 0, len = strlen(text); i < len;) {
            i += lm_utf8_decode(text + i, len - i, &code);
            add_letter(d, code);
        }
        break;
    }
    free(line);
    if (file)
        fclose(file);
}

/* ------------------------------------------------------------------ opening */

static bool add_volume(lm_dictionary *d, lm_str name, lm_status *st)
{
    char *stem = stem_of(name);
    if (!stem)
        return lm_fail(st, LM_USAGE, "--dictionary: %.*s: there is no such dictionary: install it (apt-get install hunspell-en-us, "
                       "hunspell-ko ...) or give a path of a .dic file with its .aff beside it", (int)name.len, name.data);
    char *aff = lm_format("%s.aff", stem), *dic = lm_format("%s.dic", stem);
    free(stem);
    volume v = {.words = Hunspell_create(aff, dic), .to = (iconv_t)-1, .from = (iconv_t)-1};
    const char *encoding = v.words ? Hunspell_get_dic_encoding(v.words) : "";
    bool ok = v.words != NULL;
    if (ok && strcasecmp(encoding, "UTF-8") != 0) {
        v.to = iconv_open(encoding, "UTF-8");
        v.from = iconv_open("UTF-8", encoding);
        ok = v.to != (iconv_t)-1 && v.from != (iconv_t)-1;
    }
    if (!ok)
        lm_fail(st, LM_FAILED, "%s: cannot read it as a dictionary (encoding %s)", dic, encoding);
    d->volumes = lm_realloc(d->volumes, (size_t)d->count + 1, sizeof *d->volumes);
    d->volumes[d->count++] = v;
    if (ok)
        add_letters(d, &v, aff);
    free(aff);
    free(dic);
    return ok;
}

lm_dictionary *lm_dictionary_open(const char *names, lm_status *st)
{
    lm_dictionary *d = lm_calloc(1, sizeof *d);
    for (uint32_t letter = 'a'; letter <= 'z'; letter++)
        add_letter(d, letter);
    for (const char *p = names; lm_ok(st); p++) {
        size_t n = strcspn(p, ",");
        add_volume(d, (lm_str){p, n}, st);
        p += n;
        if (!*p)
            break;
    }
    if (lm_ok(st))
        return d;
    lm_dictionary_close(d);
    return NULL;
}

void lm_dictionary_close(lm_dictionary *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->count; i++) {
        volume *v = &d->volumes[i];
        if (v->words)
            Hunspell_destroy(v->words);
        if (v->to != (iconv_t)-1)
            iconv_close(v->to);
        if (v->from != (iconv_t)-1)
            iconv_close(v->from);
    }
    free(d->volumes);
    free(d);
}

bool lm_dictionary_has(lm_dictionary *d, lm_str word)
{
    char text[WORD_MAX];
    for (int i = 0; i < d->count; i++)
        if (convert(d->volumes[i].to, word, text, sizeof text) && Hunspell_spell(d->volumes[i].words, text))
            return true;
    return false;
}

const uint32_t *lm_dictionary_letters(const lm_dictionary *d, int *count)
{
    *count = d->letter_count;
    return d->letters;
}

#else

lm_dictionary *lm_dictionary_open(const char *names, lm_status *st)
{
    (void)names;
    lm_fail(st, LM_FAILED, "--fix-typos: this lmutils was built without hunspell: install it (apt-get install libhunspell-dev; "
            "dnf install hunspell-devel; brew install hunspell), and configure and build lmutils anew");
    return NULL;
}

void lm_dictionary_close(lm_dictionary *d)
{
    (void)d;
}

bool lm_dictionary_has(lm_dictionary *d, lm_str word)
{
    (void)d;
    (void)word;
    return true;
}

const uint32_t *lm_dictionary_letters(const lm_dictionary *d, int *count)
{
    (void)d;
    *count = 0;
    return NULL;
}

#endif
