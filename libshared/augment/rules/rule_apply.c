#include "augment/rules/rule.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <utf8proc.h>

/* What a rule may cost: each callout, which stands before each item of an expression, counts STEP and the bytes passed since the
 * one before it. That is about a nanosecond a point: a rule ends after some milliseconds and, of a long text, a microsecond a
 * byte. Rules that are no accident take a thirtieth of it. */
enum { STEP = 8, COST_OF_TEXT = 8000000, COST_OF_BYTE = 1000, STACK_START = 32 << 10, STACK_MOST = 8 << 20, HEAP_MOST_KIB = 64 << 10 };

static int count_cost(pcre2_callout_block *block, void *data)
{
    lm_rule_room *room = data;
    size_t at = block->current_position, way = at > room->last ? at - room->last : room->last - at;
    room->last = at;
    if (room->left < way + STEP)
        return PCRE2_ERROR_MATCHLIMIT;
    room->left -= way + STEP;
    return 0;
}

lm_rule_room *lm_rule_room_new(const lm_rules *rules)
{
    lm_rule_room *room = lm_calloc(1, sizeof *room);
    uint32_t most = 0, groups;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->items[i].code && pcre2_pattern_info(rules->items[i].code, PCRE2_INFO_CAPTURECOUNT, &groups) == 0 && groups > most)
            most = groups;
    room->match = pcre2_match_data_create(most + 1, NULL);
    room->context = pcre2_match_context_create(NULL);
    room->stack = pcre2_jit_stack_create(STACK_START, STACK_MOST, NULL);
    pcre2_jit_stack_assign(room->context, NULL, room->stack);
    pcre2_set_callout(room->context, count_cost, room);
    pcre2_set_heap_limit(room->context, HEAP_MOST_KIB);
    return room;
}

void lm_rule_room_free(lm_rule_room *room)
{
    pcre2_match_data_free(room->match);
    pcre2_match_context_free(room->context);
    pcre2_jit_stack_free(room->stack);
    lm_buf_free(&room->out);
    free(room);
}

static void begin(lm_rule_room *room, lm_str text)
{
    room->left = COST_OF_TEXT + (uint64_t)COST_OF_BYTE * text.len;
}

/* A match at `start` or behind it; its place is in the room's match data. */
static lm_rule_outcome find(const lm_rule *rule, lm_rule_room *room, lm_str text, size_t start)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.data ? text.data : "");
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    room->last = start;
    if (rule->jit)
        rc = pcre2_jit_match(rule->code, subject, text.len, start, PCRE2_NO_UTF_CHECK, room->match, room->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(rule->code, subject, text.len, start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, room->match, room->context);
    room->groups = rc > 0 ? (uint32_t)rc : 0;
    return rc >= 0 ? LM_RULE_DONE : rc == PCRE2_ERROR_NOMATCH ? LM_RULE_NOTHING : LM_RULE_GIVES_UP;
}

lm_rule_outcome lm_rule_matches(const lm_rule *rule, lm_rule_room *room, lm_str text)
{
    begin(room, text);
    return find(rule, room, text, 0);
}

/* ---------------------------------------------------------------- s/// */

/* Appends in the case that \U, \L, \u and \l ask for. */
static void append_cased(lm_buf *out, lm_str s, char all, char *next)
{
    if (!all && !*next) {
        lm_buf_append(out, s.data, s.len);
        return;
    }
    for (size_t at = 0; at < s.len;) {
        uint32_t code;
        at += lm_utf8_decode(s.data + at, s.len - at, &code);
        char how = *next ? *next : all, utf8[4];
        if (how == 'U' || how == 'u')
            code = (uint32_t)utf8proc_toupper((utf8proc_int32_t)code);
        else if (how)
            code = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
        *next = '\0';
        lm_buf_append(out, utf8, lm_utf8_encode(code, utf8));
    }
}

static void append_replacement(const lm_rule *rule, const PCRE2_SIZE *spans, uint32_t groups, lm_str text, lm_buf *out)
{
    char all = '\0', next = '\0';
    for (size_t i = 0; i < rule->piece_count; i++) {
        const lm_rule_piece *p = &rule->pieces[i];
        if (p->kind == LM_PIECE_CASE) {
            if (p->letter == 'u' || p->letter == 'l')
                next = p->letter;
            else
                all = p->letter == 'E' ? '\0' : p->letter;
            continue;
        }
        lm_str s = p->text;
        if (p->kind == LM_PIECE_GROUP) {
            const PCRE2_SIZE *span = spans + 2 * (size_t)p->group;
            if (p->group >= groups || span[0] == PCRE2_UNSET || span[1] < span[0])
                continue;
            s = (lm_str){text.data + span[0], span[1] - span[0]};
        }
        append_cased(out, s, all, &next);
    }
}

static lm_rule_outcome substitute(const lm_rule *rule, lm_rule_room *room, lm_str text, size_t most)
{
    lm_buf *out = &room->out;
    out->len = 0;
    size_t done = 0, next = 0, end = 0; /* what is in `out`; where to look; where the last match ended */
    bool found = false;
    while (next <= text.len) {
        lm_rule_outcome o = find(rule, room, text, next);
        if (o == LM_RULE_GIVES_UP)
            return o;
        if (o == LM_RULE_NOTHING)
            break;
        const PCRE2_SIZE *spans = pcre2_get_ovector_pointer(room->match);
        size_t from = spans[0], to = spans[1];
        if (to < from || from < done)
            return LM_RULE_GIVES_UP; /* \K can do that */
        bool touches = from == to && found && to == end;
        if (!touches) {
            lm_buf_append(out, text.data + done, from - done);
            append_replacement(rule, spans, room->groups, text, out);
            done = end = to;
            found = true;
            if (out->len > most)
                return LM_RULE_GIVES_UP;
        }
        if (!rule->global)
            break;
        uint32_t code;
        next = to;
        if (touches)
            next += to < text.len ? lm_utf8_decode(text.data + to, text.len - to, &code) : 1;
    }
    if (found)
        lm_buf_append(out, text.data + done, text.len - done);
    return !found ? LM_RULE_NOTHING : out->len > most ? LM_RULE_GIVES_UP : LM_RULE_DONE;
}

/* ---------------------------------------------------------------- y/// */

static const lm_rule_range *range_of(const lm_rule *rule, uint32_t code)
{
    size_t low = 0, high = rule->range_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > rule->ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rule->range_count && code >= rule->ranges[low].first ? &rule->ranges[low] : NULL;
}

static lm_rule_outcome transliterate(const lm_rule *rule, lm_rule_room *room, lm_str text)
{
    lm_buf *out = &room->out;
    out->len = 0;
    size_t done = 0;
    for (size_t at = 0, n; at < text.len; at += n) {
        uint32_t code;
        n = lm_utf8_decode(text.data + at, text.len - at, &code);
        const lm_rule_range *r = range_of(rule, code);
        if (!r)
            continue;
        char utf8[4];
        lm_buf_append(out, text.data + done, at - done);
        lm_buf_append(out, utf8, lm_utf8_encode(r->to + (code - r->first), utf8));
        done = at + n;
    }
    if (done)
        lm_buf_append(out, text.data + done, text.len - done);
    return done ? LM_RULE_DONE : LM_RULE_NOTHING;
}

lm_rule_outcome lm_rule_change(const lm_rule *rule, lm_rule_room *room, lm_str *text, size_t most, lm_arena *arena)
{
    begin(room, *text);
    lm_rule_outcome o =
        rule->verb == LM_RULE_TRANSLITERATE ? transliterate(rule, room, *text) : substitute(rule, room, *text, most);
    if (o == LM_RULE_DONE && lm_str_equal(lm_buf_str(&room->out), *text))
        o = LM_RULE_NOTHING;
    if (o == LM_RULE_DONE)
        *text = (lm_str){lm_arena_strndup(arena, room->out.data ? room->out.data : "", room->out.len), room->out.len};
    return o;
}
