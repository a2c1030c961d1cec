/* Which bytes of a rendered conversation the assistant says, and which tokens those are.
 *
 * A template that has {% generation %} blocks says it itself. For others, each turn of the assistant's is
 * found by rendering less: what comes before it is the conversation up to it with the generation prompt, what
 * ends it is the conversation with it as the last turn. Where a template writes an earlier turn otherwise
 * than a last one (so that these are no beginnings of the whole), the turn is rendered with other words in
 * its place: what stays the same around them is not its words, and what stands behind them in the shorter
 * conversation is its end. */
#include "base/memory.h"
#include "text/chat/chat_internal.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

static const char stand_in[] =
    "\xEE\x80\x80lm\xEE\x80\x81"; /* in the private use area: no template looks for it */

/* ---------------------------------------------------------------- texts */

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static size_t common_prefix(lm_str a, lm_str b)
{
    size_t n = 0, most = a.len < b.len ? a.len : b.len;
    while (n < most && a.data[n] == b.data[n])
        n++;
    while (n && ((n < a.len && continues(a.data[n])) || (n < b.len && continues(b.data[n]))))
        n--;
    return n;
}

static size_t common_suffix(lm_str a, lm_str b)
{
    size_t n = 0, most = a.len < b.len ? a.len : b.len;
    while (n < most && a.data[a.len - 1 - n] == b.data[b.len - 1 - n])
        n++;
    while (n && continues(a.data[a.len - n]))
        n--;
    return n;
}

static bool begins(lm_str s, lm_str with)
{
    return s.len >= with.len && (with.len == 0 || memcmp(s.data, with.data, with.len) == 0);
}

static bool ends(lm_str s, lm_str with)
{
    return s.len >= with.len &&
           (with.len == 0 || memcmp(s.data + s.len - with.len, with.data, with.len) == 0);
}

static lm_str from(lm_str s, size_t at)
{
    return (lm_str){s.data + at, s.len - at};
}

static bool is_blank_byte(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool lm_chat_next_special(const lm_tokenizer *t, lm_str s, size_t start, size_t *begin, size_t *end)
{
    lm_match m;
    while (lm_added_tokens_find(&t->added, s, start, start, &m)) {
        const lm_added_token *a = lm_added_tokens_get(&t->added, m.id);
        if (a && a->special) {
            lm_str token = lm_tokenizer_token(t, m.id);
            *end = m.end;
            *begin = m.end - token.len; /* without the blanks that belong to it */
            return token.len <= m.end;
        }
        start = m.end > start ? m.end : start + 1;
    }
    return false;
}

/* ---------------------------------------------------------------- turns without marks */

/* How much of `tail` (what ends a turn that is last) stands at the start of `rest`: whole special tokens
 * where it is not all of it, and up to the first of them where `first_only`. */
static size_t shared_tail(const lm_tokenizer *t, lm_str rest, lm_str tail, bool first_only)
{
    size_t common = common_prefix(rest, tail), end = 0, a, b;
    if (common == tail.len && !first_only)
        return common;
    for (size_t at = 0; lm_chat_next_special(t, rest, at, &a, &b) && b <= common; at = b) {
        end = b;
        if (first_only)
            break;
    }
    while (end && end < common && is_blank_byte(rest.data[end]))
        end++;
    return end;
}

static lm_value replaced(lm_chat_worker *w, lm_value messages, size_t i)
{
    lm_jinja_memory *m = &w->run->memory;
    lm_value out = lm_value_list_new(m, LM_IS_LIST, messages.list->count),
             changed = lm_value_dict_new(m, LM_VALUE_DICT);
    const lm_value_dict *d = messages.list->items[i].dict;
    for (size_t k = 0; k < d->count; k++)
        lm_value_put(m, changed, d->pairs[k].key, d->pairs[k].value);
    lm_value_put_name(m, changed, "content", lm_value_string(lm_str_of(stand_in)));
    for (size_t k = 0; k < messages.list->count; k++)
        lm_value_push(m, out, k == i ? changed : messages.list->items[k]);
    return out;
}

/* By other words in the turn's place. `ignores`: the template writes its generation prompt whether it is
 * asked to or not, so that it stands at the end of a shorter conversation as well. */
static bool find_by_replacing(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t i, bool ignores,
                              lm_jinja_span *words, size_t *end)
{
    lm_status st = LM_STATUS_INIT;
    lm_value others = replaced(w, messages, i);
    lm_str full = lm_buf_str(&w->full), mark = lm_str_of(stand_in);
    if (!lm_chat_render(w, t, others, messages.list->count, false, &w->other, &st))
        return false;
    lm_str other = lm_buf_str(&w->other);
    const char *at = other.len ? memmem(other.data, other.len, mark.data, mark.len) : NULL;
    if (!at)
        return false;
    size_t place = (size_t)(at - other.data), behind = place + mark.len;
    words->from = common_prefix(full, (lm_str){other.data, place});
    words->to = full.len - common_suffix(from(full, words->from), from(other, behind));
    if (!lm_chat_render(w, t, others, i + 1, false, &w->other, &st))
        return false;
    other = lm_buf_str(&w->other);
    at = other.len ? memmem(other.data, other.len, mark.data, mark.len) : NULL;
    if (!at)
        return false;
    lm_str tail = from(other, (size_t)(at - other.data) + mark.len);
    ignores = ignores && ends(lm_buf_str(&w->prefix), tail);
    *end = words->to + shared_tail(w->c->tokenizer, from(full, words->to), tail, ignores);
    return true;
}

/* The bytes of the turn `i`; false where they cannot be told. */
static bool find_turn(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t i, lm_jinja_span *span)
{
    lm_str full = lm_buf_str(&w->full);
    lm_status st = LM_STATUS_INIT;
    bool begun = lm_chat_render(w, t, messages, i, true, &w->prefix, &st), ended, ignores = false;
    lm_status_clear(&st);
    if (i + 1 < messages.list->count)
        ended =
            lm_chat_render(w, t, messages, i + 1, false, &w->upto, &st) && begins(full, lm_buf_str(&w->upto));
    else
        ended = true;
    span->to = i + 1 < messages.list->count ? w->upto.len : full.len;
    if (begun) {
        lm_status_clear(&st);
        ignores = lm_chat_render(w, t, messages, i, false, &w->other, &st) &&
                  lm_str_equal(lm_buf_str(&w->other), lm_buf_str(&w->prefix));
        begun = begins(full, lm_buf_str(&w->prefix));
        span->from = w->prefix.len;
    }
    lm_jinja_span words;
    size_t end;
    if (begun && ended && !ignores)
        return span->from < span->to;
    if (!find_by_replacing(w, t, messages, i, ignores, &words, &end))
        return begun && ended && span->from < span->to;
    if (!begun)
        span->from = words.from;
    if (!ended || end < span->to)
        span->to = end;
    return span->from < span->to;
}

static void add_span(lm_chat_worker *w, lm_jinja_span s)
{
    LM_GROW(w->spans, w->span_count, w->span_cap);
    w->spans[w->span_count++] = s;
}

static bool is_assistant(lm_value m)
{
    const lm_value *role = lm_value_find_name(m, "role");
    return role && role->kind == LM_VALUE_STRING &&
           (lm_str_is(role->text, "assistant") || lm_str_is(role->text, "model"));
}

/* Behind where the answer begins: for conversations of which only the end carries loss. */
static size_t start_of(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t first)
{
    lm_status st = LM_STATUS_INIT;
    if (first == 0 || !lm_chat_render(w, t, messages, first, true, &w->prefix, &st))
        return 0;
    return common_prefix(lm_buf_str(&w->full), lm_buf_str(&w->prefix));
}

void lm_chat_find_spans(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t first,
                        lm_chat_row *row)
{
    w->span_count = 0;
    if (lm_jinja_marks_generation(t) && !w->run->spans_lost) {
        lm_jinja_span *marked = w->run->spans;
        size_t count = w->run->span_count, start;
        w->run->spans = NULL; /* the rendering of start_of would overwrite them */
        w->run->span_count = w->run->span_cap = 0;
        start = start_of(w, t, messages, first);
        for (size_t i = 0; i < count; i++) {
            if (marked[i].from < start)
                marked[i].from = start;
            if (marked[i].from < marked[i].to)
                add_span(w, marked[i]);
        }
        free(marked);
    } else {
        for (size_t i = first; i < messages.list->count; i++) {
            lm_jinja_span s = {0, 0};
            if (!is_assistant(messages.list->items[i]))
                continue;
            if (find_turn(w, t, messages, i, &s))
                add_span(w, s);
            else
                row->unmarked++;
        }
    }
    row->turns += (unsigned)w->span_count;
}

/* ---------------------------------------------------------------- tokens */

static bool is_end_of_turn(const lm_tokenizer *t, lm_str token)
{
    static const char *const known[] = {
        "<|im_end|>",      "<|eot_id|>", "<|eom_id|>",      "<end_of_turn>",
        "<|end|>",         "</s>",       "<|endoftext|>",   "<|END_OF_TURN_TOKEN|>",
        "<|end_of_text|>", "<|return|>", "<|call|>",        "[|endofturn|]",
        "<|eot|>",         "<turn|>",    "<|END_RESPONSE|>"};
    int eos = lm_tokenizer_role(t, "eos");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (lm_str_is(token, known[i]))
            return true;
    return eos >= 0 && lm_str_equal(lm_tokenizer_token(t, eos), token);
}

/* A turn as the model has to learn it: whether it ends with a special token, and one that stands right behind
 * it. */
static void look_at_end(lm_chat_worker *w, lm_jinja_span *s, lm_chat_row *row)
{
    const lm_tokenizer *t = w->c->tokenizer;
    lm_str full = lm_buf_str(&w->full), turn = {full.data, s->to};
    size_t a, b, last = 0;
    while (turn.len > s->from && is_blank_byte(turn.data[turn.len - 1]))
        turn.len--;
    for (size_t at = s->from; lm_chat_next_special(t, turn, at, &a, &b); at = b > at ? b : at + 1)
        last = b;
    if (last && last == turn.len)
        return;
    if (lm_chat_next_special(t, full, s->to, &a, &b) && a == s->to &&
        is_end_of_turn(t, (lm_str){full.data + a, b - a})) {
        s->to = b;
        row->extended++;
        return;
    }
    row->unended++;
}

void lm_chat_mask(lm_chat_worker *w, lm_encoding *tokens, lm_chat_row *row)
{
    size_t n = (size_t)tokens->len;
    const int32_t *o = tokens->offsets;
    if (n)
        memset(tokens->loss_mask, 0, n);
    tokens->masked = true;
    row->left_out = true;
    for (size_t k = 0, i = 0; k < w->span_count; k++) {
        lm_jinja_span *s = &w->spans[k];
        look_at_end(w, s, row);
        bool cut = n == 0 || (tokens->truncated && ((size_t)o[2 * n - 1] < s->to || (size_t)o[0] > s->from));
        row->cut += cut;
        while (i && (size_t)o[2 * i - 1] > s->from)
            i--;
        for (; i < n && (size_t)o[2 * i] < s->to; i++) {
            size_t at = (size_t)o[2 * i], end = (size_t)o[2 * i + 1];
            if (end > s->from || (at == end && at >= s->from)) {
                tokens->loss_mask[i] = 1;
                row->left_out = false;
            }
        }
    }
}
