/* What a run says for people: what each operation did, and what would be done. */
#include "augment/run.h"
#include "base/log.h"

#include <inttypes.h>

static void say_step(const lm_augment_step *s, lm_buf *text)
{
    text->len = 0;
    if (s->kind->report) {
        s->kind->report(s->self, text);
        return;
    }
    lm_buf_printf(text, "%s: ", s->kind->name);
    if (s->changed || !s->dropped)
        lm_buf_printf(text, "%" PRIu64 " of %" PRIu64 " records changed", s->changed, s->given);
    if (s->changed && s->dropped)
        lm_buf_printf(text, ", %" PRIu64 " dropped", s->dropped);
    else if (s->dropped)
        lm_buf_printf(text, "%" PRIu64 " of %" PRIu64 " records dropped", s->dropped, s->given);
    lm_buf_putc(text, '\n');
}

void lm_augment_summary(const lm_augment_run_state *r)
{
    lm_buf text = {0};
    uint64_t in = lm_blocks_given(r->blocks), rejected = lm_blocks_rejected(r->blocks), replaced = lm_blocks_replaced(r->blocks);
    for (size_t i = 0; i < r->step_count; i++) {
        say_step(&r->steps[i], &text);
        lm_str rest = lm_buf_str(&text), line;
        while (lm_str_take_line(&rest, &line))
            lm_info("%.*s", (int)line.len, line.data);
    }
    if (rejected)
        lm_warn("%" PRIu64 " records rejected, see %s", rejected, r->o->records.rejects);
    if (replaced)
        lm_warn("%" PRIu64 " records had invalid UTF-8, replaced by U+FFFD", replaced);
    lm_info("%" PRIu64 " records in, %" PRIu64 " out", in, r->written);
    lm_buf_free(&text);
}

void lm_augment_plan(const lm_augment_run_state *r, lm_buf *out)
{
    int stage = 1;
    lm_buf_printf(out, "threads\t%d\nmemory\t%" PRId64 " MiB\n", r->threads, r->o->memory_limit >> 20);
    for (size_t i = 0; i < r->step_count; i++) {
        const lm_operation_kind *k = r->steps[i].kind;
        if (k->observe)
            lm_buf_printf(out, "stage %d\t--%s looks at all records, which are kept for it\n", stage++, k->name);
        if (r->copying && i == r->fan_out)
            lm_buf_printf(out, "stage %d\tcopies are made\n", stage);
        const char *value = r->steps[i].value, *second = r->steps[i].second;
        lm_buf_printf(out, "stage %d\t--%s%s%s%s%s\n", stage, k->name, *value ? " " : "", value, second ? " " : "",
                      second ? second : "");
    }
}
