/* The short cuts of encoding against the components, which know none: paths MEGABYTES SEED TOKENIZER [FILE...]
 * Texts are lines of the files, lines that were changed, tokens of the vocabulary in any order, random bytes, random characters, and
 * words of up to some thousand bytes, seldom a hundred thousand, and words of characters that normalisation changes. Of each the ids
 * must be the same; of each third one words and spans, too; and each third one is encoded together with others. */
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct source {
    const lm_tokenizer *t;
    lm_str *files;
    unsigned file_count;
    lm_philox_key key;
    uint64_t text, drawn;
} source;

static unsigned draw(source *s, size_t below)
{
    return (unsigned)lm_random_below(s->key, s->text, s->drawn++, below);
}

static void add_line(source *s, lm_buf *out)
{
    if (!s->file_count)
        return;
    lm_str f = s->files[draw(s, s->file_count)];
    size_t from = f.len ? draw(s, f.len) : 0, to;
    while (from > 0 && f.data[from - 1] != '\n')
        from--;
    for (to = from; to < f.len && f.data[to] != '\n';)
        to++;
    lm_buf_append(out, f.data + from, to - from);
}

static void add_char(lm_buf *out, uint32_t code)
{
    char bytes[4];
    lm_buf_append(out, bytes, lm_utf8_encode(code >= 0xD800 && code < 0xE000 ? ' ' : code, bytes));
}

static void change(source *s, lm_buf *text)
{
    for (unsigned n = 1 + draw(s, 6); n > 0 && text->len; n--) {
        char *at = text->data + draw(s, text->len);
        *at = draw(s, 3) ? " \n.'<a1\t"[draw(s, 8)] : (char)draw(s, 256);
    }
}

static void add_tokens(source *s, lm_buf *out)
{
    bool same = draw(s, 4) == 0;
    unsigned id = draw(s, (size_t)lm_tokenizer_size(s->t));
    lm_buf one = {0};
    lm_status st = LM_STATUS_INIT;
    for (unsigned n = 1 + draw(s, 40); n > 0; n--) {
        id = same ? id : draw(s, (size_t)lm_tokenizer_size(s->t));
        one.len = 0;
        if (lm_decode(s->t, &(int32_t){(int32_t)id}, 1, false, &one, &st))
            lm_buf_append(out, one.data, one.len);
        if (draw(s, 6) == 0)
            lm_buf_putc(out, ' ');
    }
    lm_buf_free(&one);
}

enum { HANGUL = 0xAC00, HANGUL_COUNT = 11172 };

/* Characters from a few, which may all be the same. */
static void add_word(source *s, lm_buf *out, size_t most)
{
    static const uint32_t starts[] = {'a', '0', 0xAC00, 0x4E00, 0xE0, 0x1F600, ' ', '=', 0x3041, 0x300, 0x80, 0x20000};
    uint32_t start = starts[draw(s, sizeof starts / sizeof *starts)];
    size_t few = 1 + draw(s, draw(s, 2) ? 3 : 26);
    for (unsigned n = 1 + draw(s, most); n > 0; n--)
        add_char(out, start + draw(s, few));
}

/* Short words, of which many come again, from characters that normalisation removes, changes, joins with others or cuts at. */
static void add_mixed(source *s, lm_buf *out)
{
    static const uint32_t some[] = {
        0xAC00, 0xD7A3, 0xD558, 0xAC01, 0x1100, 0x1161, 0x11A8, 0x302E, 0xFFA1, 0x3131, 'a', 'B', 'Z', '7', '#', '-', 0, 0x1B, 0x7F, 0x85,
        0xA0, 0xAD, 0x130, 0x131, 0x1E9E, 0xDF, 0xE9, 0xC5, 0x212B, 0x212A, 0x1C4, 0x345, 0x300, 0x301, 0x307, 0x323, 0x327, 0x20DD, 0x340,
        0x344, 0x37E, 0x1FEF, 0x2000, 0x2260, 0x3000, 0xFF21, 0xFF0C, 0x3002, 0x200B, 0x200D, 0xFEFF, 0xFFFD, 0xFE0F, 0x5D0, 0x5B0, 0xFB2C,
        0x627, 0x654, 0x915, 0x93C, 0x958, 0xDD9, 0xDCF, 0xFB1D, 0x4E00, 0xF900, 0xF970, 0x3400, 0x3005, 0x3042, 0x3099, 0x309A, 0x30AC,
        0xFF76, 0x20000, 0x2F800, 0x1F600, 0x11099, 0x110BA, 0x1D15E, 0x1D16D, 0x1D165, 0x302F, 0x1E900, 0x10400, 0xE000, 0x10FFFF, 0x2581,
        0x378, 0x10A0, 0x1C80, 0xA640, 0x13A0};
    const size_t count = sizeof some / sizeof *some;
    for (unsigned n = 1 + draw(s, 30); n > 0; n--) {
        unsigned near = draw(s, count), most = draw(s, 16) ? 4 : 130; /* a word's characters are neighbours here */
        for (unsigned k = 1 + draw(s, most); k > 0; k--)
            add_char(out, draw(s, 3) ? some[(near + draw(s, 5)) % count] : HANGUL + draw(s, draw(s, 2) ? 8 : HANGUL_COUNT));
        if (draw(s, 40) == 0)
            lm_buf_putc(out, (char)draw(s, 256));
        lm_buf_puts(out, draw(s, 3) ? " " : "");
    }
}

/* What a hostile hand would write: one word of any letters, bytes, or characters, or of tokens, longer than anything is kept of. */
static void add_huge(source *s, lm_buf *out)
{
    size_t most = 1 + draw(s, 100000);
    unsigned kind = draw(s, 5), few = 2 + draw(s, 90);
    while (out->len < most)
        switch (kind) {
        case 0: lm_buf_putc(out, (char)('!' + draw(s, few))); break;
        case 1: lm_buf_putc(out, (char)('a' + draw(s, 26))); break;
        case 2: lm_buf_putc(out, (char)(0x80 + draw(s, 128))); break;
        case 3: add_char(out, 0xAC00 + draw(s, 11172)); break;
        default: add_tokens(s, out);
        }
    for (size_t i = 0; kind == 4 && i < out->len; i++)
        if (out->data[i] == ' ')
            out->data[i] = 'x';
}

static void make_text(source *s, lm_buf *out)
{
    out->len = 0;
    s->drawn = 0;
    if (draw(s, 1000) == 0) {
        add_huge(s, out);
        return;
    }
    switch (draw(s, 12)) {
    case 0:
        for (unsigned n = draw(s, 300); n > 0; n--)
            lm_buf_putc(out, (char)draw(s, 256));
        break;
    case 1:
        for (unsigned n = draw(s, 200); n > 0; n--) {
            add_char(out, draw(s, draw(s, 4) ? 0x3000 : 0x110000));
            lm_buf_puts(out, draw(s, 3) ? "" : " ");
        }
        break;
    case 2: add_word(s, out, draw(s, 20) ? 200 : 5000); break;
    case 3: add_tokens(s, out); break;
    case 4:
        for (unsigned n = 1 + draw(s, 12); n > 0; n--) {
            add_word(s, out, 30);
            lm_buf_puts(out, draw(s, 4) ? " " : draw(s, 2) ? "  " : "");
        }
        break;
    case 5:
    case 6: add_mixed(s, out); break;
    case 7:
    case 8:
        add_line(s, out);
        change(s, out);
        break;
    default: add_line(s, out);
    }
}

enum { TEXTS = 48 };

/* Texts in hand, and what becomes of them: by themselves, with words and spans or without, or together. */
typedef struct texts {
    enum { SPANS, IDS, TOGETHER, WAYS } way;
    size_t count;
    bool valid; /* all of them are UTF-8 */
    lm_buf at[TEXTS];
    lm_encode_row rows[TEXTS];
    lm_encoding encodings[TEXTS];
} texts;

static size_t make_texts(source *s, texts *t, uint64_t turn)
{
    size_t bytes = 0;
    t->way = turn % WAYS;
    t->count = 1 + draw(s, TEXTS);
    t->valid = true;
    for (size_t i = 0; i < t->count; i++, s->text++) {
        make_text(s, &t->at[i]);
        t->rows[i] = (lm_encode_row){lm_buf_str(&t->at[i]), 0, &t->encodings[i]};
        t->valid = t->valid && lm_utf8_valid(t->at[i].data ? t->at[i].data : "", t->at[i].len);
        bytes += t->at[i].len;
    }
    return bytes;
}

static bool is_same(const lm_side *a, const lm_side *b)
{
    return a->n == b->n && (a->n == 0 || (memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
                                          (a->bare || (memcmp(a->word_ids, b->word_ids, a->n * sizeof *a->word_ids) == 0 &&
                                                       memcmp(a->offsets, b->offsets, 2 * a->n * sizeof *a->offsets) == 0))));
}

/* An inexact place, as an array of C. */
static void show(const char *tokenizer, uint64_t number, lm_str text, const lm_side *quick, const lm_side *slow)
{
    size_t i = 0;
    while (i < quick->n && i < slow->n && quick->ids[i] == slow->ids[i])
        i++;
    printf("%s: text %llu: %zu tokens, not %zu; they differ from the %zuth on: \"", tokenizer, (unsigned long long)number, quick->n,
           slow->n, i + 1);
    for (size_t k = 0; k < text.len; k++)
        printf((unsigned char)text.data[k] >= 0x20 && (unsigned char)text.data[k] < 0x7F ? "%c" : "\\x%02x", (unsigned char)text.data[k]);
    printf("\"\n");
}

static bool compare_texts(const char *name, uint64_t first, texts *t, lm_encoder *quick, lm_encoder *slow)
{
    size_t failed;
    lm_status st = LM_STATUS_INIT;
    lm_encode_options o = {.no_special = true, .ids_only = true, .valid = t->valid};
    if (t->way == TOGETHER && !lm_encode_rows(quick, t->rows, t->count, &o, &failed, &st)) {
        printf("%s: text %llu: %s\n", name, (unsigned long long)(first + failed), st.message);
        return false;
    }
    quick->bare = t->way != SPANS;
    quick->valid = t->valid;
    for (size_t i = 0; i < t->count; i++) {
        lm_str text = t->rows[i].text;
        lm_side together = {.ids = t->encodings[i].ids, .n = (size_t)t->encodings[i].len, .bare = true}, *side = &together;
        if (t->way != TOGETHER)
            lm_encode_text(quick, text, SIZE_MAX, side = &quick->sides[0]);
        lm_encode_text(slow, text, SIZE_MAX, &slow->sides[0]);
        if (!is_same(side, &slow->sides[0])) {
            show(name, first + i, text, side, &slow->sides[0]);
            return false;
        }
    }
    return true;
}

static bool compare(source *s, const char *name, double megabytes)
{
    lm_encoder *quick = lm_encoder_new(s->t), *slow = lm_encoder_slow(s->t);
    texts *t = lm_calloc(1, sizeof *t);
    double bytes = 0;
    bool same = true;
    for (uint64_t turn = 0; same && bytes < megabytes * 1e6; turn++) {
        uint64_t first = s->text;
        bytes += (double)make_texts(s, t, turn);
        same = compare_texts(name, first, t, quick, slow);
    }
    if (same)
        printf("%s: %llu texts, %.1f MB: the same\n", name, (unsigned long long)s->text, bytes / 1e6);
    for (size_t i = 0; i < TEXTS; i++) {
        lm_buf_free(&t->at[i]);
        lm_encoding_free(&t->encodings[i]);
    }
    free(t);
    lm_encoder_free(quick);
    lm_encoder_free(slow);
    return same;
}

int main(int argc, char **argv)
{
    lm_status st = LM_STATUS_INIT;
    lm_log_level(LM_ERROR);
    if (argc < 4)
        return 2;
    source s = {.key = lm_random_key(strtoull(argv[2], NULL, 10), LM_FOR_SAMPLING, 0), .file_count = (unsigned)argc - 4};
    s.files = lm_calloc((size_t)argc, sizeof *s.files);
    for (int i = 4; i < argc && lm_ok(&st); i++) {
        char *bytes = NULL;
        if (lm_file_read(argv[i], SIZE_MAX / 2, &bytes, &s.files[i - 4].len, &st))
            s.files[i - 4].data = bytes;
    }
    lm_tokenizer *t = lm_ok(&st) ? lm_tokenizer_open(argv[3], &st) : NULL;
    s.t = t;
    bool same = t && compare(&s, argv[3], strtod(argv[1], NULL));
    if (!lm_ok(&st))
        fprintf(stderr, "%s\n", st.message);
    lm_tokenizer_free(t);
    for (unsigned i = 0; i < s.file_count; i++)
        free((char *)s.files[i].data);
    free(s.files);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
