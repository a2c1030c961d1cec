#include "base/memory.h"
#include "base/utf8.h"
#include "text/components/byte_level.h"
#include "text/components/components.h"

#include <ctype.h>
#include <stdlib.h>

enum { MAX_DEPTH = 16 };

struct lm_decoder_type {
    const char *name;
    bool (*read)(lm_decoder *d, json_t *spec, int depth, lm_status *st); /* or NULL: no options */
    void (*run)(const lm_decoder *d, const lm_texts *in, lm_texts *out); /* out is empty */
};

/* ---------------------------------------------------------------- texts */

void lm_texts_free(lm_texts *t)
{
    lm_buf_free(&t->bytes);
    free(t->ends);
    *t = (lm_texts){0};
}

void lm_texts_clear(lm_texts *t)
{
    t->n = t->bytes.len = 0;
}

void lm_texts_close(lm_texts *t)
{
    LM_GROW(t->ends, t->n, t->cap);
    t->ends[t->n++] = t->bytes.len;
}

static void put(lm_texts *t, lm_str s)
{
    lm_buf_append(&t->bytes, s.data, s.len);
    lm_texts_close(t);
}

static bool begins_with(lm_str s, lm_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* `s` with each `what` (which is not empty) as `with`, appended. */
static void append_replaced(lm_str s, lm_str what, lm_str with, lm_buf *out)
{
    while (s.len) {
        const char *hit = what.len ? memmem(s.data, s.len, what.data, what.len) : NULL;
        size_t before = hit ? (size_t)(hit - s.data) : s.len;
        lm_buf_append(out, s.data, before);
        if (!hit)
            return;
        lm_buf_append(out, with.data, with.len);
        s.data += before + what.len;
        s.len -= before + what.len;
    }
}

static bool take_string(json_t *spec, const char *name, const char *otherwise, const char *what, lm_buf *out,
                        lm_status *st)
{
    lm_str s = lm_spec_string(spec, name, lm_str_of(otherwise), what, st);
    lm_buf_append(out, s.data, s.len);
    return lm_ok(st);
}

/* ---------------------------------------------------------------- WordPiece, CTC */

static bool read_wordpiece(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    d->cleanup = lm_spec_bool(spec, "cleanup", true, "WordPiece decoder", st);
    return take_string(spec, "prefix", "##", "WordPiece decoder", &d->prefix, st);
}

/* In b->data[from..]: each `what` becomes `with`, which is never longer. */
static void replace(lm_buf *b, size_t from, const char *what, const char *with)
{
    size_t n = strlen(what), m = strlen(with), out = from;
    for (size_t i = from; i < b->len;) {
        if (b->len - i >= n && memcmp(b->data + i, what, n) == 0) {
            memcpy(b->data + out, with, m);
            out += m;
            i += n;
        } else {
            b->data[out++] = b->data[i++];
        }
    }
    b->len = out;
}

/* What BERT's decoding undoes: the space before punctuation and English clitics. Token by token, as the
 * reference. */
static void cleanup(lm_buf *b, size_t from)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace(b, from, pairs[i][0], pairs[i][1]);
}

static void run_wordpiece(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    for (size_t i = 0; i < in->n; i++) {
        lm_str token = lm_texts_get(in, i);
        size_t from = out->bytes.len;
        if (i > 0 && begins_with(token, lm_buf_str(&d->prefix))) {
            token.data += d->prefix.len;
            token.len -= d->prefix.len;
        } else if (i > 0) {
            lm_buf_putc(&out->bytes, ' ');
        }
        lm_buf_append(&out->bytes, token.data, token.len);
        if (d->cleanup)
            cleanup(&out->bytes, from);
        lm_texts_close(out);
    }
}

static bool read_ctc(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    d->cleanup = lm_spec_bool(spec, "cleanup", true, "CTC", st);
    return take_string(spec, "pad_token", "<pad>", "CTC", &d->prefix, st) &&
           take_string(spec, "word_delimiter_token", "|", "CTC", &d->delimiter, st);
}

/* A token that is repeated counts once, and the pad token parts repetitions that are meant. */
static void run_ctc(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    lm_buf token = {0};
    for (size_t i = 0; i < in->n; i++) {
        if (i > 0 && lm_str_equal(lm_texts_get(in, i), lm_texts_get(in, i - 1)))
            continue;
        size_t from = out->bytes.len;
        token.len = 0;
        append_replaced(lm_texts_get(in, i), lm_buf_str(&d->prefix), (lm_str){"", 0}, &token);
        if (d->cleanup) {
            cleanup(&token, 0);
            append_replaced(lm_buf_str(&token), lm_buf_str(&d->delimiter), lm_str_of(" "), &out->bytes);
        } else {
            lm_buf_append(&out->bytes, token.data, token.len);
        }
        if (out->bytes.len > from)
            lm_texts_close(out);
    }
    lm_buf_free(&token);
}

/* ---------------------------------------------------------------- BPEDecoder, ByteLevel, Metaspace */

static bool read_bpe(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    return take_string(spec, "suffix", "</w>", "BPEDecoder", &d->prefix, st);
}

static void run_bpe(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    for (size_t i = 0; i < in->n; i++) {
        append_replaced(lm_texts_get(in, i), lm_buf_str(&d->prefix), lm_str_of(i + 1 < in->n ? " " : ""),
                        &out->bytes);
        lm_texts_close(out);
    }
}

/* The bytes of a token, or, where not every character stands for one, the token as it is. */
static void put_bytes(lm_str token, lm_buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < token.len;) {
        uint32_t code;
        i += lm_utf8_decode(token.data + i, token.len - i, &code);
        int byte = lm_byte_level_byte(code);
        if (byte < 0) {
            out->len = start;
            lm_buf_append(out, token.data, token.len);
            return;
        }
        lm_buf_putc(out, (char)byte);
    }
}

static void run_byte_level(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    (void)d;
    lm_buf bytes = {0};
    for (size_t i = 0; i < in->n; i++)
        put_bytes(lm_texts_get(in, i), &bytes);
    if (out->as_bytes)
        lm_buf_append(&out->bytes, bytes.data, bytes.len);
    else
        lm_utf8_replace_invalid(lm_buf_str(&bytes), &out->bytes);
    lm_texts_close(out);
    lm_buf_free(&bytes);
}

static bool read_metaspace(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    d->character = lm_spec_character(spec, "replacement", 0x2581, "Metaspace decoder", st);
    lm_str scheme = lm_spec_string(spec, "prepend_scheme", lm_str_of("always"), "Metaspace decoder", st);
    d->keep_first =
        lm_str_is(scheme, "never") || !lm_spec_bool(spec, "add_prefix_space", true, "Metaspace decoder", st);
    return lm_ok(st);
}

static void run_metaspace(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    char bytes[4];
    lm_str what = {bytes, lm_utf8_encode(d->character, bytes)};
    for (size_t i = 0; i < in->n; i++) {
        append_replaced(lm_texts_get(in, i), what, lm_str_of(i == 0 && !d->keep_first ? "" : " "),
                        &out->bytes);
        lm_texts_close(out);
    }
}

/* ---------------------------------------------------------------- ByteFallback, Fuse */

/* <0x0A> */
static int fallback_byte(lm_str token)
{
    if (token.len != 6 || memcmp(token.data, "<0x", 3) != 0 || token.data[5] != '>')
        return -1;
    int byte = 0;
    for (int i = 3; i < 5; i++) {
        unsigned char c = (unsigned char)token.data[i];
        if (i == 3 && c == '+')
            continue; /* Rust reads a sign */
        if (!isxdigit(c))
            return -1;
        byte = byte * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return byte;
}

/* Bytes in a row are the text that they are together, or one U+FFFD each. */
static void put_run(lm_buf *run, lm_texts *out)
{
    if (out->as_bytes || lm_utf8_valid(run->data ? run->data : "", run->len)) {
        if (run->len)
            put(out, lm_buf_str(run));
    } else {
        for (size_t i = 0; i < run->len; i++)
            put(out, lm_str_of("\xEF\xBF\xBD"));
    }
    run->len = 0;
}

static void run_byte_fallback(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    (void)d;
    lm_buf run = {0};
    for (size_t i = 0; i < in->n; i++) {
        lm_str token = lm_texts_get(in, i);
        int byte = fallback_byte(token);
        if (byte >= 0) {
            lm_buf_putc(&run, (char)byte);
            continue;
        }
        put_run(&run, out);
        put(out, token);
    }
    put_run(&run, out);
    lm_buf_free(&run);
}

static void run_fuse(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    (void)d;
    put(out, lm_buf_str(&in->bytes));
}

/* ---------------------------------------------------------------- Replace, Strip */

static bool read_replace(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    return lm_pattern_read(&d->pattern, spec, "Replace decoder", st) &&
           take_string(spec, "content", "", "Replace decoder", &d->prefix, st);
}

static void replace_matches(const lm_decoder *d, lm_str token, lm_pieces *p, lm_buf *out)
{
    lm_matches m;
    size_t done = 0;
    lm_pieces_read(p, token, 0, token.len);
    lm_matches_begin(&m, &d->pattern, p, 0, p->chars.n);
    while (lm_matches_next(&m)) {
        lm_chars_utf8(&p->chars, done, m.begin, out);
        lm_buf_append(out, d->prefix.data, d->prefix.len);
        done = m.end;
    }
    lm_chars_utf8(&p->chars, done, p->chars.n, out);
}

static void run_replace(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    lm_pieces pieces = {0};
    lm_str what = {d->pattern.text, d->pattern.text_len};
    for (size_t i = 0; i < in->n; i++) {
        if (d->pattern.regex)
            replace_matches(d, lm_texts_get(in, i), &pieces, &out->bytes);
        else
            append_replaced(lm_texts_get(in, i), what, lm_buf_str(&d->prefix), &out->bytes);
        lm_texts_close(out);
    }
    lm_pieces_free(&pieces);
}

static bool read_strip(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    char bytes[4];
    (void)depth;
    uint32_t code = lm_spec_character(spec, "content", ' ', "Strip decoder", st);
    lm_buf_append(&d->prefix, bytes, lm_utf8_encode(code, bytes));
    d->start = lm_spec_count(spec, "start", 0, "Strip decoder", st);
    d->stop = lm_spec_count(spec, "stop", 0, "Strip decoder", st);
    return lm_ok(st);
}

static void run_strip(const lm_decoder *d, const lm_texts *in, lm_texts *out)
{
    size_t n = d->prefix.len;
    for (size_t i = 0; i < in->n; i++) {
        lm_str token = lm_texts_get(in, i);
        for (size_t k = 0; k < d->start && begins_with(token, lm_buf_str(&d->prefix)); k++) {
            token.data += n;
            token.len -= n;
        }
        for (size_t k = 0;
             k < d->stop && token.len >= n && memcmp(token.data + token.len - n, d->prefix.data, n) == 0; k++)
            token.len -= n;
        put(out, token);
    }
}

/* ---------------------------------------------------------------- Sequence, the table */

static bool read_one(lm_decoder *d, json_t *spec, int depth, lm_status *st);

static bool read_sequence(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    json_t *parts = json_object_get(spec, "decoders");
    if (!json_is_array(parts))
        return lm_fail(st, LM_FAILED, "Sequence: \"decoders\" is no list");
    d->parts = lm_calloc(json_array_size(parts), sizeof *d->parts);
    while (d->part_count < json_array_size(parts)) { /* one that fails counts, too: it is freed with the others */
        size_t i = d->part_count++;
        if (!read_one(&d->parts[i], json_array_get(parts, i), depth + 1, st))
            return false;
    }
    return true;
}

static const struct lm_decoder_type types[] = {
    {"BPEDecoder", read_bpe, run_bpe},
    {"ByteFallback", NULL, run_byte_fallback},
    {"ByteLevel", NULL, run_byte_level},
    {"CTC", read_ctc, run_ctc},
    {"Fuse", NULL, run_fuse},
    {"Metaspace", read_metaspace, run_metaspace},
    {"Replace", read_replace, run_replace},
    {"Sequence", read_sequence, NULL},
    {"Strip", read_strip, run_strip},
    {"WordPiece", read_wordpiece, run_wordpiece},
};

static bool read_one(lm_decoder *d, json_t *spec, int depth, lm_status *st)
{
    if (depth > MAX_DEPTH)
        return lm_fail(st, LM_FAILED, "decoder: nested deeper than %d", MAX_DEPTH);
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "decoder", st);
    if (i < 0)
        return false;
    d->type = &types[i];
    return !d->type->read || d->type->read(d, spec, depth, st);
}

bool lm_decoder_read(lm_decoder *d, json_t *spec, lm_status *st)
{
    *d = (lm_decoder){0};
    return !spec || json_is_null(spec) || read_one(d, spec, 0, st);
}

void lm_decoder_free(lm_decoder *d)
{
    for (size_t i = 0; i < d->part_count; i++)
        lm_decoder_free(&d->parts[i]);
    free(d->parts);
    lm_buf_free(&d->prefix);
    lm_buf_free(&d->delimiter);
    lm_pattern_free(&d->pattern);
    *d = (lm_decoder){0};
}

static void run_one(const lm_decoder *d, lm_texts *tokens, lm_texts *spare)
{
    for (size_t i = 0; i < d->part_count; i++)
        run_one(&d->parts[i], tokens, spare);
    if (!d->type->run)
        return;
    lm_texts_clear(spare);
    d->type->run(d, tokens, spare);
    lm_texts out = *spare;
    *spare = *tokens;
    *tokens = out;
}

/* Without a decoder, tokens are words. */
static void join(lm_texts *tokens, lm_texts *spare)
{
    lm_texts_clear(spare);
    for (size_t i = 0; i < tokens->n; i++) {
        if (i > 0)
            lm_buf_putc(&spare->bytes, ' ');
        put(spare, lm_texts_get(tokens, i));
    }
    lm_texts out = *spare;
    *spare = *tokens;
    *tokens = out;
}

void lm_decoder_run(const lm_decoder *d, lm_texts *tokens, lm_texts *spare)
{
    if (d->type)
        run_one(d, tokens, spare);
    else
        join(tokens, spare);
}
