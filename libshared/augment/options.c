#include "augment/options.h"

#include "augment/balance.h"
#include "augment/clean/clean.h"
#include "augment/noise/noise.h"
#include "augment/quality/filters.h"
#include "augment/rules/rules.h"

#include <math.h>
#include <stdlib.h>

const lm_augment_options lm_augment_defaults = {
    .seed = 42,
    .memory_limit = 1 << 30,
    .eda = LM_EDA_DEFAULTS,
    .near = LM_NEAR_DEFAULTS,
    .overlap = LM_OVERLAP_DEFAULTS,
    .translate = LM_TRANSLATE_DEFAULTS,
    .contextual = LM_CONTEXTUAL_DEFAULTS,
    .typos = LM_TYPOS_DEFAULTS,
};

void lm_augment_entries_add(lm_augment_entries *to, const lm_option *entries)
{
    for (const lm_option *e = entries; e->name; e++) {
        if (to->count + 1 >= LM_AUGMENT_OPTION_MAX)
            abort(); /* the table is ours: raise the constant */
        to->table[to->count++] = *e;
    }
}

bool *lm_augment_about(lm_augment_entries *to, const char *option, const char *operations)
{
    lm_augment_options *o = to->options;
    if (o->detail_count == LM_DETAILS_MAX)
        abort(); /* ours, too */
    lm_augment_detail *d = &o->details[o->detail_count++];
    *d = (lm_augment_detail){option, operations, false};
    return &d->given;
}

/* Whether `name` is one of the names between blanks. */
static bool is_among(const char *name, const char *names)
{
    size_t n = strlen(name);
    for (const char *p = names; (p = strstr(p, name)); p += n)
        if ((p == names || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

static bool has_step(const lm_option_steps *steps, const char *names)
{
    for (size_t i = 0; i < steps->count; i++)
        if (is_among(steps->items[i].name, names))
            return true;
    return false;
}

bool lm_augment_details_check(const lm_augment_options *o, const lm_option_steps *steps, lm_status *st)
{
    for (int i = 0; i < o->detail_count; i++) {
        const lm_augment_detail *d = &o->details[i];
        const char *more = strchr(d->operations, ' ');
        if (d->given && !has_step(steps, d->operations))
            return lm_fail(st, LM_USAGE, "--%s: is about %s%s, which %s not given: leave it out, or give --%.*s", d->option,
                           more ? "one of the operations " : "--", d->operations, more ? "are" : "is",
                           (int)strcspn(d->operations, " "), d->operations);
    }
    return true;
}

static void sample_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Choosing"),
        LM_ENTRY_STEP("sample", "SHARE", .aliases = "frac",
                      .help = "keep this share of the records, drawn by --seed and each record's number"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}

static void copies_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Copies"),
        LM_ENTRY("copies", LM_OPT_COUNT, copies, "N", .letter = 'n', .min = 0, .max = LM_COPIES_MAX,
                 .aliases = "num_aug transformations_per_example", .shown = "none, records are changed themselves",
                 .help = "operations that draw lots make N copies of each record, and leave the record as it is"),
        LM_ENTRY("exclude-original", LM_OPT_FLAG, exclude_original, NULL, .help = "write the copies alone"),
        LM_ENTRY("provenance", LM_OPT_FLAG, provenance, NULL,
                 .help = "add a field `aug` to what has been changed at random: the operations, how strong they were, and the seed"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}

static void records_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Records in and out"),
        LM_ENTRY("input-format", LM_OPT_CHOICE, input_format, "FORMAT", .choices = lm_format_names,
                 .help = "of the input, and of the output; auto goes by its name, then by its first bytes"),
        LM_ENTRY("framed", LM_OPT_FLAG, framed, NULL, .help = "write a stream of kind text, see lmstream(5)"),
        LM_ENTRY("text", LM_OPT_STRING, records.text, "FIELD[,FIELD...]",
                 .aliases = "text_column text_column_name input_column", .shown = "text, or what is obviously it",
                 .help = "the fields that are worked on: names, JSON paths or numbers from 1"),
        LM_ENTRY("pair", LM_OPT_STRING, records.pair, "FIELD", .shown = "pair, if there is one",
                 .help = "the field of the second text, which is worked on, too"),
        LM_ENTRY("label", LM_OPT_STRING, records.label, "FIELD", .aliases = "label_column_name",
                 .shown = "label, if there is one", .help = "the field of the label"),
        LM_ENTRY("header", LM_OPT_CHOICE, header, "WHETHER", .choices = lm_header_names,
                 .help = "does the first row of a csv or tsv name the columns"),
        LM_ENTRY("encoding", LM_OPT_STRING, records.encoding, "NAME", .shown = "utf-8",
                 .help = "of the input: cp949, euc-kr, utf-16, latin1 and what else iconv knows; the output is UTF-8"),
        LM_ENTRY("strict", LM_OPT_FLAG, records.strict, NULL,
                 .help = "refuse invalid UTF-8 instead of replacing it by U+FFFD"),
        LM_ENTRY("rejects", LM_OPT_FILE, records.rejects, "FILE",
                 .help = "put records that are dropped or cannot be used there, with file, line and reason"),
        LM_ENTRY("require-end", LM_OPT_FLAG, records.require_end, NULL,
                 .help = "refuse plain text, whose end cannot be told from a writer's death"),
        LM_ENTRY("offset", LM_OPT_COUNT, offset, "N", .min = 0, .max = INFINITY,
                 .help = "number of the first record, where the input is a part of a whole"),
        LM_ENTRY("memory", LM_OPT_SIZE, memory_limit, "SIZE", .min = 16 << 20, .max = INFINITY,
                 .help = "what may be used; what does not fit goes to files in $TMPDIR or /var/tmp"),
        LM_ENTRY("plan", LM_OPT_FLAG, plan, NULL, .help = "say what would be done in which order, and stop"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}

void lm_augment_option_table(lm_augment_options *o, lm_option_steps *steps, lm_option *table)
{
    lm_augment_entries to = {.options = o, .steps = steps, .table = table};
    /* families of operations, in the order of --help */
    sample_entries(&to);
    lm_clean_entries(&to);
    lm_dedup_entries(&to);
    lm_overlap_entries(&to);
    lm_quality_entries(&to);
    lm_rules_entries(&to);
    lm_typos_entries(&to);
    lm_noise_entries(&to);
    lm_eda_entries(&to);
    lm_translate_entries(&to);
    lm_contextual_entries(&to);
    /* how all of them work */
    copies_entries(&to);
    lm_balance_entries(&to);
    records_entries(&to);
    table[to.count] = (lm_option){0};
}
