#include "train/freezing/freeze.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/adapter/adapter.h"

#include <fnmatch.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* Most patterns that the ranges of one option stand for. */
enum { PATTERNS_MAX = 4096 };

/* ------------------------------------------------------------------ options */

/* The expression of REGEX=FACTOR, compiled, and the factor. */
static bool parse_multiplier(const char *text, regex_t *re, double *factor, lm_status *st)
{
    const char *equals = strrchr(text, '=');
    char why[128];
    if (!equals || equals == text || !lm_parse_float(equals + 1, factor) || !isfinite(*factor) || *factor <= 0)
        return lm_fail(st, LM_USAGE,
                       "--lr-mult %s: give REGEX=FACTOR with a factor above 0 (--freeze is for what is to "
                       "stay as it is)",
                       text);
    char *pattern = lm_strndup(text, (size_t)(equals - text));
    int code = regcomp(re, pattern, REG_EXTENDED | REG_NOSUB);
    free(pattern);
    if (code == 0)
        return true;
    regerror(code, re, why, sizeof why);
    return lm_fail(st, LM_USAGE, "--lr-mult %s: %s: give an extended regular expression (regex(7))", text, why);
}

bool lm_freeze_options_check(const lm_freeze_options *o, lm_status *st)
{
    lm_period every;
    if (o->unfreeze_every && !lm_period_parse(o->unfreeze_every, &every))
        return lm_fail(st, LM_USAGE,
                       "--unfreeze-every %s: give a number of steps, or of epochs with an e: 500, 1e",
                       o->unfreeze_every);
    for (size_t i = 0; i < o->multipliers.count; i++) {
        regex_t re;
        double factor;
        if (!parse_multiplier(o->multipliers.items[i], &re, &factor, st))
            return false;
        regfree(&re);
    }
    return true;
}

/* ------------------------------------------------------------------ patterns */

static void free_patterns(lm_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->items[i]);
    free(list->items);
}

/* The first part of a path that is a range of numbers, as "0-5" in layer.0-5.output. */
static const char *find_range(const char *path, long *from, long *to, size_t *length)
{
    for (const char *part = path; part; part = (part = strchr(part, '.')) ? part + 1 : NULL) {
        size_t n = strcspn(part, "."), first = strspn(part, "0123456789");
        if (first == 0 || part[first] != '-' || first > 6 || n - first - 1 > 6 || n == first + 1 ||
            first + 1 + strspn(part + first + 1, "0123456789") != n)
            continue;
        *from = strtol(part, NULL, 10);
        *to = strtol(part + first + 1, NULL, 10);
        *length = n;
        return part;
    }
    return NULL;
}

static bool expand_ranges(const char *option, const char *path, lm_strings *out, lm_status *st)
{
    long from, to;
    size_t length;
    const char *range = find_range(path, &from, &to, &length);
    if (!range) {
        lm_strings_add(out, lm_strdup(path));
        return true;
    }
    if (from > to)
        return lm_fail(st, LM_USAGE, "%s %s: a range that runs backwards: write it as %ld-%ld", option, path, to,
                       from);
    if (to - from >= PATTERNS_MAX || out->count + (size_t)(to - from) >= PATTERNS_MAX)
        return lm_fail(st, LM_USAGE, "%s %s: too many modules: * stands for all", option, path);
    bool ok = true;
    for (long i = from; i <= to && ok; i++) {
        char *one = lm_format("%.*s%ld%s", (int)(range - path), path, i, range + length);
        ok = expand_ranges(option, one, out, st);
        free(one);
    }
    return ok;
}

/* The patterns of a list with commas between; those inside [...] belong to the pattern. */
static bool split_list(const char *option, const char *list, lm_strings *out, lm_status *st)
{
    for (const char *from = list;; from++) {
        const char *to = from;
        for (bool inside = false; *to && (inside || *to != ','); to++)
            inside = *to == '[' || (inside && *to != ']');
        if (to == from)
            return lm_fail(st, LM_USAGE, "%s '%s': an empty name: put one between the commas", option, list);
        char *one = lm_strndup(from, (size_t)(to - from));
        bool ok = expand_ranges(option, one, out, st);
        free(one);
        if (!ok || !*to)
            return ok;
        from = to;
    }
}

/* A pattern stands for a parameter, or for any module on its path: "embeddings", "layer.0", "*.bias". */
static bool matches(const char *pattern, const char *name)
{
    char *dotted = lm_format(".%s.", name), *inside = lm_format("*.%s.*", pattern);
    bool hit = fnmatch(pattern, name, 0) == 0 || fnmatch(inside, dotted, 0) == 0;
    free(inside);
    free(dotted);
    return hit;
}

/* ------------------------------------------------------------------ levels */

/* Blocks of both stacks. */
static int blocks_of(const lm_model *m)
{
    return m->arch.layers + m->arch.decoder_layers;
}

/* Where the blocks of a stack stand below the body, whatever the architecture; of a block through both stacks, which of its
 * stack it is. */
static const char *stack_of(const lm_model *m, int *block)
{
    if (!m->arch.decoder_layers)
        return "layer";
    if (*block < m->arch.layers)
        return "encoder.layer";
    *block -= m->arch.layers;
    return "decoder.layer";
}

void lm_level_name(const lm_model *m, int level, char out[32])
{
    int block = level - 1;
    if (level <= 0 || level > blocks_of(m)) {
        snprintf(out, 32, "%s", level <= 0 ? "embeddings" : "head");
        return;
    }
    const char *stack = stack_of(m, &block);
    snprintf(out, 32, "%s.%d", stack, block);
}

/* The number of the block of a stack that a parameter is in, and what follows it in the name; -1 = in none. */
static int block_below(const lm_model *m, const char *layer, int layers, const char *name, const char **rest)
{
    lm_scope blocks = lm_in(lm_in((lm_scope){""}, m->head->bare ? "" : m->arch.body), layer);
    const char *suffix = m->arch.layer_suffix;
    size_t n = strlen(blocks.name);
    char *end;
    if (strncmp(name, blocks.name, n) != 0 || name[n] != '.')
        return -1;
    const char *number = suffix ? strstr(name + n, suffix) : name + n + 1;
    if (number && suffix)
        number += strlen(suffix);
    if (!number || *number < '0' || *number > '9')
        return -1;
    long index = strtol(number, &end, 10);
    *rest = suffix ? name + n : end;
    return (suffix || *end == '.') && index < layers ? (int)index : -1;
}

/* The same of either stack: the blocks of the second are numbered after those of the first. */
static int block_of(const lm_model *m, const char *name, const char **rest)
{
    int block = block_below(m, m->arch.layer, m->arch.layers, name, rest);
    if (block >= 0 || !m->arch.decoder_layers)
        return block;
    block = block_below(m, m->arch.decoder_layer, m->arch.decoder_layers, name, rest);
    return block >= 0 ? m->arch.layers + block : -1;
}

/* Where a parameter is, whatever the architecture: "body.layer.3.<...>", "body.embeddings", "body", "head"; with two stacks
 * "body.decoder.layer.3.<...>", "body.decoder". */
static char *common_name(const lm_model *m, size_t home, int level, const char *name)
{
    const char *rest = NULL;
    int block = home < m->head_from ? block_of(m, name, &rest) : -1;
    if (block >= 0) {
        const char *stack = stack_of(m, &block);
        return lm_format("body.%s.%d%s", stack, block, rest);
    }
    const char *stack = !m->arch.decoder_layers ? "body" : home < m->decoder_from ? "body.encoder" : "body.decoder";
    return lm_strdup(home >= m->head_from ? "head" : level == 0 ? "body.embeddings" : stack);
}

static bool is_common(const char *pattern)
{
    static const char *const whole[] = {"embeddings", "head", "body", "encoder", "decoder"};
    static const char *const begins[] = {"layer.", "encoder.layer.", "decoder.layer."};
    bool found = false;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        found |= strcmp(pattern, whole[i]) == 0;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        found |= strncmp(pattern, begins[i], strlen(begins[i])) == 0;
    return found;
}

/* A pattern of such names. Only where they begin, since modules within a block may be called layer.1 too (T5's are). */
static bool matches_common(const char *pattern, const char *name)
{
    static const char *const before[] = {"", "body.", "body.encoder.", "body.decoder."};
    bool hit = false;
    for (size_t i = 0; i < sizeof before / sizeof *before && !hit; i++) {
        char *whole = lm_format("%s%s", before[i], pattern), *inside = lm_format("%s.*", whole);
        hit = fnmatch(whole, name, 0) == 0 || fnmatch(inside, name, 0) == 0;
        free(whole);
        free(inside);
    }
    return hit;
}

/* The highest of the blocks that share one's parameters (lm_arch.groups): with it they are trained first. */
static int highest_use(const lm_model *m, int stored)
{
    bool shared = m->arch.groups && stored < m->arch.layers;
    int i = shared ? m->arch.layers - 1 : stored;
    while (shared && i > stored && (int64_t)i * m->arch.groups / m->arch.layers != stored)
        i--;
    return i;
}

/* By parameter, the one that it stands with: an adapter's with the weight that it adapts, any other with itself. Malloced. */
static size_t *find_homes(const lm_model *m)
{
    size_t count = lm_params_count(m->params), *home = lm_malloc(count + 1, sizeof *home);
    for (size_t i = 0; i < count; i++)
        home[i] = i;
    for (size_t i = 0; i < m->adapter_count; i++) {
        for (size_t k = 0; k < m->adapters[i].count; k++) {
            const lm_adapter *part = m->adapters[i].parts[k].adapter, *start = m->adapters[i].parts[k].start;
            const lm_param *own[] = {part->a, part->b, part->bias, part->magnitude, start ? start->a : NULL, start ? start->b : NULL};
            for (size_t j = 0; j < sizeof own / sizeof *own; j++)
                if (own[j])
                    home[own[j]->index] = part->weight->index;
        }
    }
    return home;
}

/* The body's parameters outside its blocks are below them or above, as they are declared; what follows the blocks of a first
 * stack goes with the last of them. */
static void find_levels(lm_model *m, const size_t *home, lm_trained *of)
{
    const char *rest;
    bool below = true;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        if (home[i] != i) { /* adapters stand at the end of the table */
            of[i].level = of[home[i]].level;
            continue;
        }
        int block = i < m->head_from ? block_of(m, lm_params_at(m->params, i)->name, &rest) : -1;
        bool first = m->arch.decoder_layers && i < m->decoder_from;
        below = (below || i == m->decoder_from) && block < 0;
        of[i].level = block >= 0                  ? highest_use(m, block) + 1
                      : below && i < m->head_from ? 0
                      : first                     ? m->arch.layers
                                                  : blocks_of(m) + 1;
    }
}

/* ------------------------------------------------------------------ what is frozen */

/* Sets hit[i] for every parameter that the lists stand for. A name that all architectures have goes before a
 * module's own: T5's blocks have a module layer.0 each, and layer.0 is the first block all the same. */
static bool match_lists(lm_model *m, const lm_freezing *f, const char *option, const lm_strings *lists, bool *hit,
                        lm_status *st)
{
    size_t count = lm_params_count(m->params);
    int stored = m->arch.groups ? m->arch.groups : m->arch.layers;
    lm_strings patterns = {0};
    for (size_t i = 0; i < lists->count && lm_ok(st); i++)
        split_list(option, lists->items[i], &patterns, st);
    char **common = lm_malloc(count, sizeof *common);
    for (size_t i = 0; i < count; i++)
        common[i] = common_name(m, f->home[i], f->of[i].level, lm_params_at(m->params, f->home[i])->name);
    for (size_t k = 0; k < patterns.count && lm_ok(st); k++) {
        bool any = false;
        for (int own = !is_common(patterns.items[k]); own < 2 && !any; own++)
            for (size_t i = 0; i < count; i++)
                if (own ? matches(patterns.items[k], lm_params_at(m->params, i)->name)
                        : matches_common(patterns.items[k], common[i]))
                    any = hit[i] = true;
        if (!any)
            lm_fail(st, LM_USAGE,
                    "%s %s: no parameter has such a name: --list-parameters shows all (and layer.0-%d, "
                    "embeddings, head and body stand for parts of every model)",
                    option, patterns.items[k], stored > 0 ? stored - 1 : 0);
    }
    for (size_t i = 0; i < count; i++)
        free(common[i]);
    free(common);
    free_patterns(&patterns);
    return lm_ok(st);
}

/* Which parameters are never trained. */
static bool find_frozen(lm_model *m, const lm_freeze_options *o, lm_freezing *f, bool *frozen, lm_status *st)
{
    bool *kept = lm_calloc(f->count + 1, sizeof *kept);
    for (size_t i = 0; i < f->count; i++)
        frozen[i] = o->except.count && !o->freeze.count;
    bool ok = match_lists(m, f, "--freeze", &o->freeze, frozen, st) && match_lists(m, f, "--freeze-except", &o->except, kept, st);
    size_t left = 0;
    for (size_t i = 0; i < f->count; i++) {
        frozen[i] = (frozen[i] && !kept[i]) || (m->adapter_count && !lm_adapter_trains(m, lm_params_at(m->params, i)));
        left += !frozen[i];
    }
    free(kept);
    if (ok && left == 0)
        lm_fail(st, LM_USAGE, "every parameter is frozen: nothing can be trained: freeze less");
    return lm_ok(st);
}

/* ------------------------------------------------------------------ stages and rates */

static void find_stages(const lm_model *m, lm_freezing *f, const bool *frozen)
{
    int levels = blocks_of(m) + 2;
    int *stage = lm_malloc((size_t)levels, sizeof *stage);
    f->stages = 0;
    for (int level = levels - 1; level >= 0; level--) {
        bool any = false;
        for (size_t i = 0; i < f->count; i++)
            any |= f->of[i].level == level && !frozen[i];
        stage[level] = f->every.every > 0 ? f->stages : 0;
        f->stages += any;
    }
    if (f->every.every <= 0)
        f->stages = 1;
    for (size_t i = 0; i < f->count; i++)
        f->of[i].stage = frozen[i] ? -1 : stage[f->of[i].level];
    free(stage);
}

static bool find_rates(lm_model *m, const lm_freeze_options *o, lm_freezing *f, lm_status *st)
{
    for (size_t i = 0; i < f->count; i++)
        f->rates[i] = pow(o->layer_decay, blocks_of(m) + 1 - f->of[i].level);
    for (size_t k = 0; k < o->multipliers.count; k++) {
        regex_t re;
        double factor;
        bool any = false;
        if (!parse_multiplier(o->multipliers.items[k], &re, &factor, st))
            return false;
        for (size_t i = 0; i < f->count; i++) {
            if (regexec(&re, lm_params_at(m->params, i)->name, 0, NULL, 0) != 0)
                continue;
            f->rates[i] *= factor;
            any = true;
        }
        regfree(&re);
        if (!any)
            return lm_fail(st, LM_USAGE, "--lr-mult %s: no parameter's name matches: --list-parameters shows all",
                           o->multipliers.items[k]);
    }
    return true;
}

/* A layer that keeps its random values is rarely meant. */
static void warn_of_random(lm_model *m, const lm_freezing *f)
{
    size_t n = 0;
    const char *first = NULL;
    for (size_t i = 0; i < f->count && m->path; i++) {
        const lm_param *p = lm_params_at(m->params, f->home[i]);
        bool random = p->owned && p->data == p->value && p->init.kind >= LM_INIT_NORMAL;
        if (f->of[i].stage >= 0 || !random)
            continue;
        first = first ? first : p->name;
        n++;
    }
    if (n)
        lm_warn("%zu frozen parameter tensors have no value from the model and keep random ones: %s%s: "
                "--freeze-except trains them",
                n, first, n > 1 ? " ..." : "");
}

lm_freezing *lm_freezing_new(lm_model *m, const lm_freeze_options *o, lm_status *st)
{
    lm_freezing *f = lm_calloc(1, sizeof *f);
    f->count = lm_params_count(m->params);
    f->of = lm_calloc(f->count + 1, sizeof *f->of);
    f->rates = lm_calloc(f->count + 1, sizeof *f->rates);
    bool *frozen = lm_calloc(f->count + 1, sizeof *frozen);
    f->home = find_homes(m);
    find_levels(m, f->home, f->of);
    if (o->unfreeze_every)
        lm_period_parse(o->unfreeze_every, &f->every);
    if (lm_freeze_options_check(o, st) && find_frozen(m, o, f, frozen, st)) {
        find_stages(m, f, frozen);
        if (find_rates(m, o, f, st))
            warn_of_random(m, f);
    }
    free(frozen);
    if (lm_ok(st))
        return f;
    lm_freezing_free(f);
    return NULL;
}

void lm_freezing_free(lm_freezing *f)
{
    if (!f)
        return;
    free(f->of);
    free(f->home);
    free(f->rates);
    free(f);
}

uint64_t lm_freezing_steps(const lm_freezing *f, uint64_t steps_per_epoch)
{
    return f->stages < 2 ? 0 : lm_period_steps(f->every, steps_per_epoch);
}

int lm_freezing_stage(const lm_freezing *f, uint64_t steps_per_epoch, uint64_t step)
{
    uint64_t every = lm_freezing_steps(f, steps_per_epoch);
    uint64_t stage = every ? step / every : 0;
    return stage < (uint64_t)f->stages ? (int)stage : f->stages - 1;
}

bool lm_freezing_apply(const lm_freezing *f, lm_params *params, int stage, lm_status *st)
{
    for (size_t i = 0; i < f->count; i++) {
        lm_param *p = lm_params_at(params, i);
        if (!(p->quantised || lm_param_ready(p, st)) || !lm_param_train(p, lm_freezing_trains(f, i, stage), st))
            return false;
    }
    return true;
}

void lm_freezing_print(const lm_freezing *f, lm_model *m, double learning_rate, lm_buf *out)
{
    lm_buf_puts(out, "name\tshape\ttrained\trate\n");
    for (size_t i = 0; i < f->count; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        int stage = f->of[i].stage;
        lm_buf_printf(out, "%s\t", p->name);
        lm_shape_print(&p->shape, out);
        if (stage > 0 && f->every.in_epochs)
            lm_buf_printf(out, "\tfrom epoch %g", 1 + stage * f->every.every);
        else if (stage > 0)
            lm_buf_printf(out, "\tfrom step %.0f", 1 + stage * f->every.every);
        else
            lm_buf_puts(out, stage == 0 ? "\tyes" : "\tno");
        lm_buf_printf(out, "\t%g\n", stage >= 0 ? learning_rate * f->rates[i] : 0);
    }
}
