#include "text/chat/text_case.h"

#include "base/utf8.h"

#include <utf8proc.h>

static void put(lm_buf *b, uint32_t code, bool upper)
{
    char utf8[4];
    if (code == 0xDF && upper) {
        lm_buf_puts(b, "SS");
        return;
    }
    utf8proc_int32_t c = (utf8proc_int32_t)code;
    c = upper ? utf8proc_toupper(c) : utf8proc_tolower(c);
    lm_buf_append(b, utf8, lm_utf8_encode((uint32_t)c, utf8));
}

static bool is_cased(uint32_t code)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

static bool parts_words(uint32_t code)
{
    return lm_is_python_space(code) || (code < 0x80 && code && strchr("-({[<", (int)code));
}

lm_value lm_text_in_case(lm_eval *e, lm_value text, lm_case to)
{
    lm_buf b = {0};
    bool first = true; /* of the text, or of a word */
    for (size_t i = 0; i < text.text.len;) {
        uint32_t code;
        i += lm_utf8_decode(text.text.data + i, text.text.len - i, &code);
        bool upper = to == LM_CASE_UPPER || (to != LM_CASE_LOWER && first);
        if (to == LM_CASE_SWAP)
            upper = utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_LL;
        put(&b, code, upper);
        first = to == LM_CASE_TITLE ? !is_cased(code) : to == LM_CASE_TITLE_WORDS ? parts_words(code) : false;
    }
    lm_eval_step(e, text.text.len / 8);
    lm_value v = lm_value_from_buf(e, &b);
    v.markup = text.markup;
    return v;
}
