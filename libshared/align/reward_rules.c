/* Rewards that need nothing but the answer and what the row is labelled with. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "align/rewards.h"

#include "base/memory.h"

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* However a pattern backtracks, an answer is done with. */
enum { MATCH_LIMIT = 1000000 };

typedef double rule_function(const lm_reward_rule *rule, const lm_graded *answer, lm_str said);

typedef struct rule_kind {
    const char *name;
    bool argument, label; /* it has one; it needs one */
    rule_function *value;
} rule_kind;

struct lm_reward_rule {
    const rule_kind *kind;
    const char *argument;
    int64_t least, most;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

/* ------------------------------------------------------------------ texts */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static lm_str trimmed(lm_str s)
{
    for (; s.len && is_blank(s.data[0]); s.data++, s.len--)
        ;
    for (; s.len && is_blank(s.data[s.len - 1]); s.len--)
        ;
    return s;
}

/* Where the last `what` ends; NULL = it is not there. */
static const char *behind_last(lm_str s, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = s.len + 1 > n ? s.len + 1 - n : 0; i > 0; i--)
        if (memcmp(s.data + i - 1, what, n) == 0)
            return s.data + i - 1 + n;
    return NULL;
}

/* What is said when all has been thought. */
static lm_str behind_thoughts(lm_str s)
{
    const char *from = behind_last(s, "</think>");
    return from ? (lm_str){from, (size_t)(s.data + s.len - from)} : s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The last number that stands there: digits, with a sign that no digit or letter stands before, commas between thousands, a point. */
static bool last_number(lm_str s, double *value)
{
    char text[64];
    size_t end = s.len, n = 0;
    while (end && !is_digit(s.data[end - 1]))
        end--;
    size_t from = end;
    while (from && (is_digit(s.data[from - 1]) || ((s.data[from - 1] == '.' || s.data[from - 1] == ',') && from > 1 &&
                                                   is_digit(s.data[from - 2]))))
        from--;
    if (from && s.data[from - 1] == '-' && (from == 1 || is_blank(s.data[from - 2]) || s.data[from - 2] == '='))
        from--;
    if (from == end || end - from >= sizeof text)
        return false;
    for (size_t i = from; i < end; i++)
        if (s.data[i] != ',')
            text[n++] = s.data[i];
    text[n] = 0;
    return lm_parse_float(text, value);
}

/* ------------------------------------------------------------------ rules */

static double exact(const lm_reward_rule *rule, const lm_graded *a, lm_str said)
{
    (void)rule;
    return lm_str_equal(trimmed(said), trimmed(a->label));
}

static double contains(const lm_reward_rule *rule, const lm_graded *a, lm_str said)
{
    lm_str label = trimmed(a->label);
    (void)rule;
    for (size_t i = 0; i + label.len <= said.len; i++)
        if (memcmp(said.data + i, label.data, label.len) == 0)
            return 1;
    return 0;
}

static double number(const lm_reward_rule *rule, const lm_graded *a, lm_str said)
{
    double have, want;
    (void)rule;
    return last_number(said, &have) && last_number(a->label, &want) && have == want;
}

static double length(const lm_reward_rule *rule, const lm_graded *a, lm_str said)
{
    int64_t n = a->count - a->prompt_tokens;
    (void)said;
    return n >= rule->least && n <= rule->most;
}

static double regex(const lm_reward_rule *rule, const lm_graded *a, lm_str said)
{
    (void)said;
    const char *text = a->completion.data ? a->completion.data : "";
    return pcre2_match(rule->code, (PCRE2_SPTR)text, a->completion.len, 0, 0, rule->data, rule->context) >= 0;
}

/* <think>...</think>, once, first, and something said behind it. */
static double think(const lm_reward_rule *rule, const lm_graded *a, lm_str said)
{
    static const char open[] = "<think>", close[] = "</think>";
    lm_str all = trimmed(a->completion);
    (void)rule;
    if (all.len < sizeof open - 1 || memcmp(all.data, open, sizeof open - 1) != 0)
        return 0;
    const char *last = behind_last(all, close);
    if (!last || behind_last(all, open) != all.data + sizeof open - 1)
        return 0;
    lm_str before = {all.data, (size_t)(last - all.data) - (sizeof close - 1)};
    return !behind_last(before, close) && trimmed(said).len > 0;
}

static const rule_kind kinds[] = {{"exact", false, true, exact},   {"contains", false, true, contains}, {"number", false, true, number},
                                  {"length", true, false, length}, {"regex", true, false, regex},       {"think", false, false, think}};

static const rule_kind *kind_of(const char *spec)
{
    size_t n = strcspn(spec, "=");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == n && strncmp(kinds[i].name, spec, n) == 0)
            return &kinds[i];
    return NULL;
}

bool lm_reward_rule_is(const char *spec)
{
    return kind_of(spec) != NULL;
}

static bool compile(lm_reward_rule *rule, lm_status *st)
{
    int error;
    PCRE2_SIZE at;
    PCRE2_UCHAR message[128];
    rule->code = pcre2_compile((PCRE2_SPTR)rule->argument, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error,
                               &at, NULL);
    if (!rule->code) {
        pcre2_get_error_message(error, message, sizeof message);
        return lm_fail(st, LM_USAGE, "--reward regex=%s: %s, at character %zu", rule->argument, (const char *)message, (size_t)at + 1);
    }
    rule->data = pcre2_match_data_create_from_pattern(rule->code, NULL);
    rule->context = pcre2_match_context_create(NULL);
    if (!rule->data || !rule->context)
        return lm_fail(st, LM_FAILED, "--reward regex: no memory");
    pcre2_set_match_limit(rule->context, MATCH_LIMIT);
    return true;
}

lm_reward_rule *lm_reward_rule_new(const char *spec, lm_status *st)
{
    lm_reward_rule *rule = lm_calloc(1, sizeof *rule);
    const char *equals = strchr(spec, '=');
    char rest;
    long long least = 0, most = 0;
    rule->kind = kind_of(spec);
    rule->argument = equals ? equals + 1 : NULL;
    if (rule->kind->argument != (equals != NULL))
        lm_fail(st, LM_USAGE,
                rule->kind->argument ? "--reward %s: of what? Give --reward %s=..." : "--reward %s: --reward %s takes nothing", spec,
                rule->kind->name);
    else if (rule->kind->value == regex)
        compile(rule, st);
    else if (rule->kind->value == length &&
             (sscanf(rule->argument, "%lld-%lld%c", &least, &most, &rest) != 2 || least < 0 || most < least))
        lm_fail(st, LM_USAGE, "--reward %s: give the fewest and the most tokens, such as length=1-20", spec);
    rule->least = least;
    rule->most = most;
    if (lm_ok(st))
        return rule;
    lm_reward_rule_free(rule);
    return NULL;
}

bool lm_reward_rule_value(const lm_reward_rule *rule, const lm_graded *answer, double *value, lm_status *st)
{
    if (rule->kind->label && !answer->label.data)
        return lm_fail(st, LM_FAILED, "--reward %s compares with what the row is labelled with, and it has no label: name the field of the "
                       "right answers with tok --label", rule->kind->name);
    *value = rule->kind->value(rule, answer, behind_thoughts(answer->completion));
    return true;
}

void lm_reward_rule_free(lm_reward_rule *rule)
{
    if (!rule)
        return;
    pcre2_match_context_free(rule->context);
    pcre2_match_data_free(rule->data);
    pcre2_code_free(rule->code);
    free(rule);
}
