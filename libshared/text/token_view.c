#include "text/token_view.h"

#include "base/utf8.h"
#include "stream/json.h"
#include "stream/tokens.h"
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
