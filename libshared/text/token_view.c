#include "text/token_view.h"

#include "base/utf8.h"
#include "stream/json.h"
#include "stream/tokens.h"
#include "text/running_text.h"
#include "text/tokenize/agreement.h"

void lm_token_print(const lm_tokenizer *t, int id, lm_buf *out)
{
    lm_str token = lm_tokenizer_token(t, id);
    bool plain = token.len > 0;
    for (size_t i = 0; i < token.len && plain; i++)
        plain = (unsigned char)token.data[i] > ' ' && token.data[i] != '\\' && token.data[i] != 0x7F;
    if (plain)
        lm_buf_append(out, token.data, token.len);
    else
        lm_json_string(token, out);
}

static bool begin(void *context, json_t *preamble, lm_status *st)
{
    lm_token_viewer *v = context;
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    return lm_tokenizer_info_read(preamble, &info, st) &&
           lm_tokenizer_agrees(v->tokenizer, v->path, &info, false, st);
}

static bool is_ascii(lm_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

/* The text with a bar where a token ends: what vocabularies of bytes spell in letters of their own (노 as ëħ¸) can be read. A
 * character of several tokens stands in the last of them. */
static bool show_cuts(const lm_tokenizer *t, const int32_t *ids, size_t n, lm_buf *out, lm_status *st)
{
    lm_running_text so_far = {0};
    lm_buf cut = {0};
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        size_t before = so_far.text.len;
        ok = lm_running_text_add(&so_far, t, ids, (int)i + 1, st);
        if (i)
            lm_buf_putc(&cut, '|');
        if (lm_tokenizer_is_special(t, ids[i]))
            lm_token_print(t, ids[i], &cut);
        lm_buf_append(&cut, so_far.text.data + before, so_far.text.len - before);
    }
    lm_json_string(lm_buf_str(&cut), out);
    lm_buf_free(&so_far.text);
    lm_buf_free(&cut);
    return ok;
}

static bool show(void *context, const int32_t *ids, size_t n, const char *indent, lm_buf *out, lm_status *st)
{
    lm_token_viewer *v = context;
    lm_buf text = {0}, valid = {0};
    bool ok = lm_decode(v->tokenizer, ids, n, true, &text, st); /* refuses ids that it does not know */
    lm_buf_printf(out, "%stokens", indent);
    for (size_t i = 0; i < n && ok; i++) {
        lm_buf_putc(out, ' ');
        lm_token_print(v->tokenizer, ids[i], out);
    }
    lm_utf8_replace_invalid(lm_buf_str(&text), &valid);
    lm_buf_printf(out, "\n%sas text ", indent);
    lm_json_string(lm_buf_str(&valid), out);
    if (ok && !is_ascii(lm_buf_str(&valid))) {
        lm_buf_printf(out, "\n%scut     ", indent);
        ok = show_cuts(v->tokenizer, ids, n, out, st);
    }
    lm_buf_putc(out, '\n');
    lm_buf_free(&text);
    lm_buf_free(&valid);
    return ok;
}

bool lm_token_viewer_open(lm_token_viewer *v, const char *path, lm_status *st)
{
    *v = (lm_token_viewer){.view = {v, begin, show}, .path = path};
    v->tokenizer = lm_tokenizer_open(path, st);
    return v->tokenizer != NULL;
}

void lm_token_viewer_close(lm_token_viewer *v)
{
    lm_tokenizer_free(v->tokenizer);
}
