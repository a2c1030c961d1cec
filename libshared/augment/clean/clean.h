/* Cleaning: operations that look at a text by itself, and at nothing else. Each is an option of its own, and --clean does
 * a row of them: fix-mojibake, normalize nfc, strip-html, strip-control, squeeze 3, whitespace, in this order.
 *
 * A step says where a text has to change, from its start to its end; what stands between these places is copied, and a text
 * without any is left where it is. Each of them takes time in proportion to the text, whatever stands in it. */
#ifndef LM_AUGMENT_CLEAN_CLEAN_H
#define LM_AUGMENT_CLEAN_CLEAN_H

#include "augment/augment.h"
#include "text/unicode/chars.h"

extern const lm_operation_kind lm_clean_kind,
    lm_fix_mojibake_kind, /* text that was decoded as what it is not: as Windows-1252 and the like, or EUC-KR as Latin */
    lm_normalize_kind,    /* Unicode's normal forms: nfc, nfd, nfkc, nfkd */
    lm_strip_html_kind,   /* tags, comments, scripts and styles; entities become what they stand for */
    lm_strip_markup_kind, /* Markdown, and what is like it in wikis */
    lm_mask_urls_kind, lm_mask_emails_kind, lm_mask_phones_kind, /* TOKEN, or drop */
    lm_strip_control_kind, /* control characters, terminals' escapes, zero-width and bidirectional marks, soft hyphens */
    lm_squeeze_kind,       /* N: more than N repetitions of one to four characters become N */
    lm_whitespace_kind,    /* paragraphs, or line: one line a text */
    lm_script_kind;        /* NAME[,NAME...][=SHARE]: texts with a lesser share of letters in these scripts are dropped */

/* Their options. */
struct lm_augment_entries;
void lm_clean_entries(struct lm_augment_entries *to);

/* What a thread keeps from text to text. Zero-initialise. */
typedef struct lm_clean_room {
    lm_pieces pieces;
    lm_buf made[2], spare; /* of the steps' turns; a step's own */
} lm_clean_room;
void lm_clean_room_free(lm_clean_room *room);

/* One step. `number` and `word` are what its option says. */
typedef struct lm_clean_step {
    const char *name;
    /* Fills `out`, which is empty, with what becomes of `text`, valid UTF-8 both. False: nothing, and `out` means nothing. */
    bool (*clean)(const struct lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out);
    int number;
    const char *word;
} lm_clean_step;

/* From the option's value, "" for none. False: LM_USAGE. */
typedef bool lm_clean_setup(lm_clean_step *step, const char *value, lm_status *st);
lm_clean_setup lm_clean_mojibake, lm_clean_normalize, lm_clean_html, lm_clean_markup, lm_clean_urls, lm_clean_emails,
    lm_clean_phones, lm_clean_control, lm_clean_squeeze, lm_clean_whitespace;

/* ---- for steps */

/* A text with places that change, from the left to the right. */
typedef struct lm_edits {
    lm_str text;
    size_t done; /* bytes of the text that are in `out`, or left out of it */
    lm_buf *out;
    bool any;
} lm_edits;

/* text[from..to) becomes `with`; from is not before the end of the last place. */
static inline void lm_edits_put(lm_edits *e, size_t from, size_t to, lm_str with)
{
    e->any = true;
    lm_buf_append(e->out, e->text.data + e->done, from - e->done);
    lm_buf_append(e->out, with.data, with.len);
    e->done = to;
}

/* text[from..to) is left out; what is appended to `out` then stands in its place. */
static inline void lm_edits_skip(lm_edits *e, size_t from, size_t to)
{
    lm_edits_put(e, from, to, (lm_str){"", 0});
}

/* What a step returns. */
static inline bool lm_edits_end(lm_edits *e)
{
    if (e->any)
        lm_buf_append(e->out, e->text.data + e->done, e->text.len - e->done);
    return e->any;
}

/* What is a place to look closer, by its first byte. */
typedef struct lm_byte_set {
    bool has[256];
} lm_byte_set;

/* The next byte of the set at or behind `at`; text.len where there is none. */
static inline size_t lm_next_of(const lm_byte_set *set, lm_str text, size_t at)
{
    const unsigned char *s = (const unsigned char *)text.data;
    for (; at + 4 <= text.len; at += 4) {
        if (set->has[s[at]])
            return at;
        if (set->has[s[at + 1]])
            return at + 1;
        if (set->has[s[at + 2]])
            return at + 2;
        if (set->has[s[at + 3]])
            return at + 3;
    }
    while (at < text.len && !set->has[s[at]])
        at++;
    return at;
}

#endif
