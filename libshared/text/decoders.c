#include "text/components.h"

struct lm_decoder_type {
    const char *name;
    bool (*read)(lm_decoder *d, json_t *spec, lm_status *st);
    void (*run)(const lm_decoder *d, lm_str token, bool first, lm_buf *out);
};

/* ---------------------------------------------------------------- WordPiece */

static bool read_wordpiece(lm_decoder *d, json_t *spec, lm_status *st)
{
    lm_str prefix = lm_spec_string(spec, "prefix", lm_str_of("##"), "WordPiece decoder", st);
    lm_buf_append(&d->prefix, prefix.data, prefix.len);
    d->cleanup = lm_spec_bool(spec, "cleanup", true, "WordPiece decoder", st);
    return lm_ok(st);
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

static void run_wordpiece(const lm_decoder *d, lm_str token, bool first, lm_buf *out)
{
    size_t from = out->len;
    if (!first) {
        if (token.len >= d->prefix.len && memcmp(token.data, d->prefix.data, d->prefix.len) == 0) {
            token.data += d->prefix.len;
            token.len -= d->prefix.len;
        } else {
            lm_buf_putc(out, ' ');
        }
    }
    lm_buf_append(out, token.data, token.len);
    if (d->cleanup)
        cleanup(out, from);
}

/* ---------------------------------------------------------------- the table */

static const struct lm_decoder_type types[] = {
    {"WordPiece", read_wordpiece, run_wordpiece},
};

bool lm_decoder_read(lm_decoder *d, json_t *spec, lm_status *st)
{
    *d = (lm_decoder){0};
    if (!spec || json_is_null(spec))
        return true;
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "decoder", st);
    if (i < 0)
        return false;
    d->type = &types[i];
    return d->type->read(d, spec, st);
}

void lm_decoder_free(lm_decoder *d)
{
    lm_buf_free(&d->prefix);
    *d = (lm_decoder){0};
}

void lm_decoder_run(const lm_decoder *d, lm_str token, bool first, lm_buf *out)
{
    if (d->type) {
        d->type->run(d, token, first, out);
        return;
    }
    if (!first)
        lm_buf_putc(out, ' ');
    lm_buf_append(out, token.data, token.len);
}
