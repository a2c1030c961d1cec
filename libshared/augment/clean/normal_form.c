/* Unicode's normal forms (UAX 15), as text/unicode has them, where something is to be done. */
#include "augment/clean/clean.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/hangul.h"
#include "text/unicode/unicode.h"

#include <pthread.h>

enum { NFC, NFD, NFKC, NFKD, FORMS };
static const char *const form_names[FORMS] = {"nfc", "nfd", "nfkc", "nfkd"};

/* For each character below LM_CP_TABLE and each form (1 << form): it may be something else there, or have to do with what
 * stands before it. Beyond, every character is looked at. */
static uint8_t *unstable;
static pthread_once_t unstable_once = PTHREAD_ONCE_INIT;

static void make_unstable(void)
{
    unstable = lm_calloc(LM_CP_TABLE, 1);
    for (uint32_t c = 0; c < LM_CP_TABLE; c++) {
        uint32_t parts[LM_DECOMPOSITION_MAX];
        int n = lm_unicode_decompose(c, false, parts), k = lm_unicode_decompose(c, true, parts);
        bool canonical = n > 1, compatible = k > 1;
        lm_unicode_decompose(c, true, parts);
        compatible |= parts[0] != c;
        lm_unicode_decompose(c, false, parts);
        canonical |= parts[0] != c;
        unsigned forms = lm_unicode_class(c) ? 15 : 0;
        if (canonical) {
            forms |= 1 << NFD | 1 << NFKD;
            uint32_t whole = parts[0];
            for (int i = 1; i < n && whole; i++)
                whole = lm_unicode_compose(whole, parts[i]);
            if (whole != c)
                forms |= 1 << NFC | 1 << NFKC;
            if (n > 1 && whole == c && parts[n - 1] < LM_CP_TABLE) /* what ends a composition may be composed */
                unstable[parts[n - 1]] |= 1 << NFC | 1 << NFKC;
        }
        if (compatible)
            forms |= 1 << NFKD | (canonical ? 0 : 1 << NFKC);
        unstable[c] |= (uint8_t)forms;
    }
}

static inline bool is_unstable(uint32_t code, unsigned form)
{
    return code >= LM_CP_TABLE || unstable[code] >> form & 1;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    unsigned form = (unsigned)step->number;
    bool composed = form == NFC || form == NFKC;
    lm_edits e = {.text = text, .out = out};
    lm_pieces *p = &room->pieces;
    size_t before = 0; /* where the character before i begins */
    for (size_t i = 0; i < text.len;) {
        if ((unsigned char)text.data[i] < 0x80) { /* all of it is stable */
            i += lm_ascii_prefix(text.data + i, text.len - i);
            before = i - 1;
            continue;
        }
        if (composed && lm_syllable_at(text.data + i, text.len - i)) { /* stable, and most of Korean */
            before = i;
            i += 3;
            continue;
        }
        uint32_t code;
        size_t n = lm_utf8_decode(text.data + i, text.len - i, &code);
        if (!is_unstable(code, form)) {
            before = i;
            i += n;
            continue;
        }
        /* from the character before, to which this one may belong, to the next stable one */
        size_t from = i > e.done ? before : i;
        for (i += n; i < text.len; i += n) {
            n = lm_utf8_decode(text.data + i, text.len - i, &code);
            if (!is_unstable(code, form))
                break;
        }
        lm_pieces_read(p, text, from, i);
        (composed ? lm_pieces_compose : lm_pieces_decompose)(p, form == NFKC || form == NFKD);
        lm_edits_skip(&e, from, i);
        lm_chars_utf8(&p->chars, 0, p->chars.n, out);
        before = i;
    }
    return lm_edits_end(&e);
}

bool lm_clean_normalize(lm_clean_step *step, const char *value, lm_status *st)
{
    step->clean = clean;
    for (int i = 0; i < FORMS; i++)
        if (strcmp(*value ? value : "nfc", form_names[i]) == 0) {
            step->number = i;
            pthread_once(&unstable_once, make_unstable);
            return true;
        }
    return lm_fail(st, LM_USAGE, "--normalize=%s: no such form: nfc, nfd, nfkc or nfkd", value);
}
