#include "train/data/paired.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

/* What a record is known by. */
typedef enum naming { BY_ID, BY_NUMBER, BY_PLACE } naming;

typedef struct key {
    uint64_t record; /* its number, or the hash of its id */
    uint64_t row;
} key;

static void look(const lm_spool *s, bool *ids, bool *numbers)
{
    for (uint64_t i = 0; i < lm_spool_rows(s) && (*ids || *numbers); i++) {
        lm_tokens_row row;
        lm_spool_row(s, i, &row);
        *ids = *ids && row.id.data;
        *numbers = *numbers && row.has_row;
    }
}

static naming choose(const lm_spool *a, const lm_spool *b)
{
    bool ids = true, numbers = true;
    look(a, &ids, &numbers);
    look(b, &ids, &numbers);
    return ids ? BY_ID : numbers ? BY_NUMBER : BY_PLACE;
}

/* Of all rows, in their order. */
static key *keys_of(const lm_spool *s, naming by, lm_status *st)
{
    uint64_t n = lm_spool_rows(s);
    key *keys = lm_try_malloc(n + 1, sizeof *keys, "the records of the rows", st);
    for (uint64_t i = 0; keys && i < n; i++) {
        lm_tokens_row row;
        lm_spool_row(s, i, &row);
        uint64_t record = by == BY_ID ? XXH3_64bits(row.id.data, row.id.len) : by == BY_NUMBER ? (uint64_t)row.row : i;
        keys[i] = (key){record, i};
    }
    return keys;
}

/* "record 17 (row 16)", or with its id; malloced. */
static char *name_of(const lm_spool *s, naming by, uint64_t i)
{
    lm_tokens_row row;
    lm_spool_row(s, i, &row);
    if (by == BY_ID)
        return lm_format("record %.*s (row %" PRIu64 ")", (int)row.id.len, row.id.data, i);
    return by == BY_NUMBER ? lm_format("record %d (row %" PRIu64 ")", (int)row.row, i) : lm_format("row %" PRIu64, i);
}

static int by_record(const void *a, const void *b)
{
    const key *x = a, *y = b;
    return x->record != y->record ? (x->record > y->record) - (x->record < y->record) : (x->row > y->row) - (x->row < y->row);
}

/* The first row whose record has been there before; n: there is none. The keys are sorted. */
static uint64_t first_repeated(const key *sorted, uint64_t n)
{
    uint64_t first = n;
    for (uint64_t i = 1; i < n; i++)
        if (sorted[i].record == sorted[i - 1].record && sorted[i].row < first)
            first = sorted[i].row;
    return first;
}

static bool no_repeats(lm_named_rows a, naming by, const key *sorted, const char *other, uint64_t place, lm_status *st)
{
    uint64_t n = lm_spool_rows(a.rows), i = first_repeated(sorted, n);
    if (i == n)
        return true;
    char *name = name_of(a.rows, by, i);
    lm_fail(st, LM_FAILED, "%s has several rows of %s, which only their order tells apart, and from row %" PRIu64 " on %s has another: "
            "make both of the same records, in the same order", a.name, name, place, other);
    free(name);
    return false;
}

/* Rows whose order differs, by their records alone. */
static uint64_t *match(lm_named_rows a, lm_named_rows b, naming by, key *mine, key *theirs, uint64_t differs, lm_status *st)
{
    uint64_t n = lm_spool_rows(a.rows), m = lm_spool_rows(b.rows), *places = lm_try_malloc(n + 1, sizeof *places, "places of rows", st);
    if (!places)
        return NULL;
    qsort(mine, n, sizeof *mine, by_record);
    qsort(theirs, m, sizeof *theirs, by_record);
    if (!no_repeats(a, by, mine, b.name, differs, st) || !no_repeats(b, by, theirs, a.name, differs, st)) {
        free(places);
        return NULL;
    }
    uint64_t missing = n, more = m;
    for (uint64_t i = 0, j = 0; i < n || j < m;) {
        if (j == m || (i < n && mine[i].record < theirs[j].record)) {
            missing = mine[i].row < missing ? mine[i].row : missing;
            i++;
        } else if (i == n || mine[i].record > theirs[j].record) {
            more = theirs[j].row < more ? theirs[j].row : more;
            j++;
        } else {
            places[mine[i++].row] = theirs[j++].row;
        }
    }
    char *name = missing < n ? name_of(a.rows, by, missing) : more < m ? name_of(b.rows, by, more) : NULL;
    if (missing < n)
        lm_fail(st, LM_FAILED, "%s of %s is not in %s: they are to be of the same records", name, a.name, b.name);
    else if (name)
        lm_info("%s has %" PRIu64 " records that %s has not, which are left out: the first is %s", b.name, m - n, a.name, name);
    else
        lm_info("%s has its rows in another order than %s, from row %" PRIu64 " on: they are matched by record", b.name, a.name, differs);
    free(name);
    if (lm_ok(st))
        return places;
    free(places);
    return NULL;
}

static bool same_label(const lm_tokens_row *a, const lm_tokens_row *b)
{
    if (a->has_label_word && b->has_label_word)
        return lm_str_equal(a->label_word, b->label_word);
    if (a->has_label_id && b->has_label_id)
        return a->label_id == b->label_id;
    return !a->has_label_float || !b->has_label_float || a->label_float == b->label_float;
}

static bool same_labels(lm_named_rows a, lm_named_rows b, naming by, const uint64_t *places, lm_status *st)
{
    for (uint64_t i = 0; i < lm_spool_rows(a.rows); i++) {
        lm_tokens_row mine, theirs;
        lm_spool_row(a.rows, i, &mine);
        lm_spool_row(b.rows, places ? places[i] : i, &theirs);
        if (same_label(&mine, &theirs))
            continue;
        char *name = name_of(a.rows, by, i);
        lm_fail(st, LM_FAILED, "%s has another label in %s than in %s: they are to be of the same records", name, a.name, b.name);
        free(name);
        return false;
    }
    return true;
}

bool lm_pair_rows(lm_named_rows a, lm_named_rows b, uint64_t **places, lm_status *st)
{
    uint64_t n = lm_spool_rows(a.rows), m = lm_spool_rows(b.rows), same = 0;
    naming by = choose(a.rows, b.rows);
    *places = NULL;
    if (by == BY_PLACE && n != m)
        return lm_fail(st, LM_FAILED, "%s has %" PRIu64 " rows, and %s %" PRIu64 ", and they do not say of which records they are: they "
                       "are to be of the same", a.name, n, b.name, m);
    key *mine = keys_of(a.rows, by, st), *theirs = keys_of(b.rows, by, st);
    if (lm_ok(st)) {
        while (same < n && same < m && mine[same].record == theirs[same].record)
            same++;
        if (same < n || same < m)
            *places = match(a, b, by, mine, theirs, same, st);
    }
    free(mine);
    free(theirs);
    return lm_ok(st) && same_labels(a, b, by, *places, st);
}
