/* --rules: the rules of a file, done to records. */
#include "augment/rules/rules.h"

#include "augment/rules/rule.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

/* A text may become so much longer than it was by all rules together: rules that double it, one after the other, end here. */
enum { GROWTH = 64, GROWTH_LEAST = 1 << 20, SHOWN = 200 };

static void close_rules(void *self)
{
    lm_rules_free(self);
    free(self);
}

static void *open_rules(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    lm_rules *r = lm_calloc(1, sizeof *r);
    lm_input *in = lm_input_open(value, st);
    bool good = in && lm_rules_read(r, in, o->records.text, st);
    lm_input_close(in);
    if (good)
        return r;
    close_rules(r);
    return NULL;
}

static void *new_room(void *self)
{
    return lm_rule_room_new(self);
}

static void free_room(void *room)
{
    lm_rule_room_free(room);
}

/* "rules.txt:3: drop-if /free money/i" */
static const char *reason(const lm_rule *rule, const char *what, lm_arena *arena)
{
    lm_buf b = {0};
    size_t n = strlen(rule->source), most = SHOWN;
    while (most < n && ((unsigned char)rule->source[most] & 0xC0) == 0x80)
        most--;
    lm_buf_printf(&b, "%s: %s%.*s%s", rule->where, what, (int)(n < most ? n : most), rule->source, n > most ? " ..." : "");
    const char *s = lm_arena_strndup(arena, b.data, b.len);
    lm_buf_free(&b);
    return s;
}

static lm_rule_outcome do_rule(lm_rule *rule, lm_rule_room *room, lm_draft *d, size_t most, lm_arena *arena)
{
    bool changes = rule->verb == LM_RULE_SUBSTITUTE || rule->verb == LM_RULE_TRANSLITERATE;
    lm_rule_outcome all = LM_RULE_NOTHING;
    for (int i = 0; i < d->text_count; i++) {
        if (rule->field >= 0 && rule->field != i)
            continue;
        lm_rule_outcome o = changes ? lm_rule_change(rule, room, &d->texts[i], most, arena)
                                    : lm_rule_matches(rule, room, d->texts[i]);
        if (o == LM_RULE_GIVES_UP)
            return o;
        if (o == LM_RULE_DONE)
            all = o;
    }
    if (rule->verb == LM_RULE_KEEP_IF)
        return all == LM_RULE_DONE ? LM_RULE_NOTHING : LM_RULE_DONE;
    return all;
}

static void judge(lm_rules *r, lm_rule_room *room, lm_draft *d, lm_arena *arena)
{
    size_t most = GROWTH_LEAST;
    for (int i = 0; i < d->text_count; i++)
        most += GROWTH * d->texts[i].len;
    for (size_t i = 0; i < r->count && !d->dropped; i++) {
        lm_rule *rule = &r->items[i];
        lm_rule_outcome o = do_rule(rule, room, d, most, arena);
        if (o == LM_RULE_GIVES_UP) {
            d->dropped = reason(rule, "gives up, which costs too much on this text: ", arena);
            atomic_fetch_add_explicit(&rule->gave_up, 1, memory_order_relaxed);
        } else if (o == LM_RULE_DONE) {
            if (rule->verb == LM_RULE_DROP_IF || rule->verb == LM_RULE_KEEP_IF)
                d->dropped = reason(rule, "", arena);
            atomic_fetch_add_explicit(&rule->done, 1, memory_order_relaxed);
        }
    }
}

static bool apply_rules(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)st;
    for (size_t i = 0; i < batch->count; i++)
        judge(self, room, batch->items[i], batch->arena);
    return true;
}

static void report_rules(const void *self, lm_buf *out)
{
    const lm_rules *r = self;
    for (size_t i = 0; i < r->count; i++) {
        const lm_rule *rule = &r->items[i];
        bool drops = rule->verb == LM_RULE_DROP_IF || rule->verb == LM_RULE_KEEP_IF;
        if (rule->done)
            lm_buf_printf(out, "rules: %s: %" PRIu64 " records %s\n", rule->where, rule->done, drops ? "dropped" : "changed");
        if (rule->gave_up)
            lm_buf_printf(out, "rules: %s: %" PRIu64 " records dropped on which it gives up\n", rule->where, rule->gave_up);
    }
}

const lm_operation_kind lm_rules_kind = {
    .name = "rules",
    .open = open_rules,
    .close = close_rules,
    .room_new = new_room,
    .room_free = free_room,
    .apply = apply_rules,
    .report = report_rules,
};

void lm_rules_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_STEP("rules", "FILE",
                      .help = "do what the lines of FILE say: s/.../.../, y/.../.../, drop-if /.../ and keep-if /.../, with "
                              "PCRE2's expressions"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
