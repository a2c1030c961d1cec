/* Text records from an archive as WebDataset has it: adjacent files whose paths are the same up to the first
 * dot of the last component are one record, what follows the dot names the field.
 *
 * .json is a JSON value, .cls and its like are stripped, other text is a string without its last line end.
 * What is no text (images, arrays) is no field. The key is the field `__key__`. */
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/cells.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

/* ---------------------------------------------------------------------------------------------------- keys
 */

/* Digests of the keys that have been: open addressing, 0 = free. */
typedef struct lm_key_set {
    uint64_t *slots;
    size_t count, cap; /* cap: a power of two */
    bool told;         /* that fields are left out */
} lm_key_set;

void lm_key_set_free(lm_key_set *k)
{
    if (k)
        free(k->slots);
    free(k);
}

/* False: it has been there. */
static bool add_digest(lm_key_set *k, uint64_t digest)
{
    size_t i = digest & (k->cap - 1);
    for (; k->slots[i]; i = (i + 1) & (k->cap - 1))
        if (k->slots[i] == digest)
            return false;
    k->slots[i] = digest;
    k->count++;
    return true;
}

static bool add_key(lm_key_set *k, lm_str key)
{
    if (2 * k->count >= k->cap) {
        lm_key_set old = *k;
        k->cap = old.cap ? 2 * old.cap : 1024;
        k->slots = lm_calloc(k->cap, sizeof *k->slots);
        k->count = 0;
        for (size_t i = 0; i < old.cap; i++)
            if (old.slots[i])
                add_digest(k, old.slots[i]);
        free(old.slots);
    }
    uint64_t digest = XXH3_64bits(key.data, key.len);
    return add_digest(k, digest ? digest : 1);
}

/* "dir/0001.seg.txt": the key dir/0001 and the field seg.txt. False: it has none, or is hidden. */
static bool part_path(const char *path, lm_str *key, lm_str *field)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strchr(base, '.');
    if (!dot || dot == base || !dot[1])
        return false;
    *key = (lm_str){path, (size_t)(dot - path)};
    *field = lm_str_of(dot + 1);
    return true;
}

bool lm_tar_is_grouped(lm_records *r, bool *grouped, lm_status *st)
{
    enum { ENOUGH = 1 << 20 }; /* of a first member, to look behind it */
    const char *here = lm_input_member(r->in), *next;
    lm_str seen, key, field, next_key, next_field;
    *grouped = false;
    if (!here || !part_path(here, &key, &field))
        return true;
    if (!lm_input_peek(r->in, ENOUGH, &seen, st))
        return false;
    if (seen.len >= ENOUGH)
        return true;
    if (!lm_input_next_path(r->in, &next, st))
        return false;
    *grouped = next && part_path(next, &next_key, &next_field) && lm_str_equal(key, next_key) &&
               !lm_str_equal(field, next_field);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- fields
 */

static bool ends_in(lm_str field, const char *const *endings)
{
    const char *dot = memrchr(field.data, '.', field.len);
    lm_str last = dot ? (lm_str){dot + 1, field.len - (size_t)(dot + 1 - field.data)} : field;
    for (size_t i = 0; endings[i]; i++)
        if (last.len == strlen(endings[i]) && !strncasecmp(last.data, endings[i], last.len))
            return true;
    return false;
}

static const char *const texts[] = {"txt", "text", "transcript", "caption", "md", NULL};
static const char *const words[] = {"cls", "cls2", "class", "label", "index", "inx", "id", NULL};
static const char *const jsons[] = {"json", "jsn", NULL};

/* A string cell without the white space around it that the kind of file has. */
static bool add_string(lm_records *r, lm_str name, lm_str value, lm_status *st)
{
    bool word = ends_in(name, words);
    if (!lm_records_utf8(r, value, true, &value, st))
        return false;
    while (value.len && (value.data[value.len - 1] == '\n' || value.data[value.len - 1] == '\r' ||
                         (word && value.data[value.len - 1] == ' ')))
        value.len--;
    while (word && value.len && value.data[0] == ' ')
        value = (lm_str){value.data + 1, value.len - 1};
    *lm_cell_add(r) = (lm_cell){.name = name, .value = value};
    return true;
}

static bool add_json(lm_records *r, lm_str name, lm_str value, lm_status *st)
{
    lm_str whole;
    if (!lm_records_utf8(r, value, true, &value, st))
        return false;
    lm_json j = lm_json_over(value);
    lm_json_space(&j);
    if (lm_json_value(&j, &whole)) {
        lm_json_space(&j);
        *lm_cell_add(r) = (lm_cell){.name = name, .value = whole, .json = true};
        return j.p == j.end || lm_fail_record(r, st, "%.*s: something stands behind the JSON value",
                                              (int)name.len, name.data);
    }
    return lm_fail_record(r, st, "%.*s: not JSON: %s", (int)name.len, name.data, j.why);
}

static void leave_out(lm_records *r, lm_str name)
{
    if (!r->keys->told)
        lm_info("%s: .%.*s is no text, and left out; other files like it, too", r->file, (int)name.len,
                name.data);
    r->keys->told = true;
}

/* The member in hand as a field; the bytes are copied, the member is read to its end. */
static bool add_member(lm_records *r, lm_str name, lm_status *st)
{
    enum { LOOK = 4096 };
    lm_str seen;
    bool json = ends_in(name, jsons), text = json || ends_in(name, texts) || ends_in(name, words);
    name = (lm_str){lm_arena_strndup(r->arena, name.data, name.len), name.len};
    if (r->cell_count == LM_TEXT_FIELDS_MAX)
        return lm_fail_record(r, st, "more than %d files of one key", LM_TEXT_FIELDS_MAX);
    if (!lm_records_utf8(r, name, true, &name, st))
        return false;
    for (size_t i = 0; i < r->cell_count; i++)
        if (lm_str_equal(r->cells[i].name, name))
            return lm_fail_record(r, st, "the file .%.*s stands twice in the archive", (int)name.len,
                                  name.data);
    if (text && r->options.encoding && !lm_input_decode(r->in, r->options.encoding, st))
        return false;
    if (!lm_input_peek(r->in, LOOK, &seen, st))
        return false;
    if (!text && memchr(seen.data, '\0', seen.len)) {
        leave_out(r, name);
        return true;
    }
    if (!lm_input_peek(r->in, (size_t)LM_TEXT_RECORD_MAX + 1, &seen, st))
        return false;
    if (seen.len > LM_TEXT_RECORD_MAX)
        return lm_fail_record(r, st, "the file .%.*s has more than %d bytes", (int)name.len, name.data,
                              LM_TEXT_RECORD_MAX);
    if (!text && !lm_utf8_valid(seen.data, seen.len)) {
        leave_out(r, name);
        return true;
    }
    lm_str value = {lm_arena_strndup(r->arena, seen.data, seen.len), seen.len};
    return json ? add_json(r, name, value, st) : add_string(r, name, value, st);
}

/* ----------------------------------------------------------------------------------------------------
 * records */

/* To the next member that is a file of a record: 1, 0 (none is left in this archive) or -1. */
static int find_member(lm_records *r, lm_str *key, lm_str *field, lm_status *st)
{
    for (;;) {
        if (!r->at_member) {
            int rc = lm_input_next_member(r->in, st);
            if (rc <= 0)
                return rc;
            r->at_member = true;
        }
        const char *path = lm_input_member(r->in), *name = lm_input_name(r->in);
        size_t n = strlen(r->file);
        if (!path || strncmp(name, r->file, n) != 0 || name[n] != ':')
            return 0; /* another operand */
        if (part_path(path, key, field))
            return 1;
        r->at_member = false;
    }
}

/* Members of one key. st may have failed on one of them: the others are passed over. */
static lm_take take_group(lm_records *r, lm_str first_key, lm_str field, lm_status *st)
{
    lm_str own = {lm_arena_strndup(r->arena, first_key.data, first_key.len), first_key.len}, key = own;
    lm_status later = LM_STATUS_INIT;
    lm_str said = {"", 0};
    r->source = own;
    lm_records_utf8(r, own, true, &said, st);
    *lm_cell_add(r) = (lm_cell){.name = lm_str_of("__key__"), .value = said};
    if (!add_key(r->keys, own))
        lm_fail_record(r, st, "files of the key %.*s stand apart: sort the archive by name", (int)said.len,
                       said.data);
    for (;;) {
        if (lm_ok(st))
            add_member(r, field, st);
        r->at_member = false;
        int rc = find_member(r, &key, &field, &later);
        if (rc < 0 || (!lm_ok(st) && st->code != LM_FAILED)) {
            if (lm_ok(st))
                *st = later;
            return LM_TAKE_FAILED;
        }
        if (rc == 0 || !lm_str_equal(key, own))
            return lm_ok(st) ? LM_TAKE_RECORD : LM_TAKE_BAD;
    }
}

lm_take lm_take_tar(lm_records *r, lm_status *st)
{
    lm_str key, field;
    if (!r->keys)
        r->keys = lm_calloc(1, sizeof *r->keys);
    int rc = find_member(r, &key, &field, st);
    if (rc <= 0)
        return rc < 0 ? LM_TAKE_FAILED : LM_TAKE_END;
    r->line++;
    return take_group(r, key, field, st);
}
