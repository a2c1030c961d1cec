/* libFuzzer target: by the first byte, any bytes as a thesaurus (T), as the nouns of a WordNet (W: index, data and exceptions,
 * parted by the byte 0x1E), or as a text that all operations on words and letters change (other bytes; it is the seed). Each
 * line of a file is looked up by its first word; texts stay UTF-8. */
#include "augment/eda/eda.h"
#include "augment/eda/synonyms.h"
#include "augment/noise/noise.h"
#include "augment/options.h"
#include "augment/words/case.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static char directory[] = "/tmp/lmutils-fuzz-words-XXXXXX";

static const char *const others[] = {"verb.exc", "adj.exc", "adv.exc", "index.verb", "index.adj", "index.adv",
                                     "data.verb", "data.adj", "data.adv", NULL};
static const char *const files[] = {"index.noun", "data.noun", "noun.exc", "thesaurus", NULL};

static void write_file(const char *name, lm_str text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    must(f && (text.len == 0 || fwrite(text.data, 1, text.len, f) == text.len));
    must(fclose(f) == 0);
}

static void remove_directory(void)
{
    char path[128];
    for (const char *const *list = files, *const *next = others; list; list = next, next = NULL)
        for (const char *const *name = list; *name; name++) {
            snprintf(path, sizeof path, "%s/%s", directory, *name);
            unlink(path);
        }
    rmdir(directory);
}

static void make_directory(void)
{
    static bool made;
    if (made)
        return;
    made = mkdtemp(directory) != NULL;
    must(made);
    atexit(remove_directory);
    for (const char *const *name = others; *name; name++)
        write_file(*name, (lm_str){0});
}

static void look_up(const lm_augment_options *o, lm_str words)
{
    lm_status st = LM_STATUS_INIT;
    lm_synonyms *s = lm_synonyms_open(o, &st);
    must((s != NULL) == lm_ok(&st));
    if (!s)
        return;
    lm_synonym_cache *c = lm_synonym_cache_new();
    lm_buf word = {0};
    lm_str line;
    while (lm_str_take_line(&words, &line) && lm_ok(&st)) {
        const lm_str *list;
        size_t count, n = 0;
        while (n < line.len && !strchr(" \t,|", line.data[n]))
            n++;
        if (!lm_utf8_valid(line.data, n))
            continue;
        word.len = 0;
        lm_lower_case((lm_str){line.data, n}, &word);
        if (!lm_synonyms_find(s, c, lm_buf_str(&word), &list, &count, &st))
            continue;
        for (size_t i = 0; i < count; i++)
            must(list[i].data && !lm_str_equal(list[i], lm_buf_str(&word)));
    }
    lm_buf_free(&word);
    lm_synonym_cache_free(c);
    lm_synonyms_close(s);
}

static void change(const lm_operation_kind *kind, lm_augment_options *o, lm_str text)
{
    lm_status st = LM_STATUS_INIT;
    void *self = kind->open("0.5", o, 0, &st);
    must(self);
    void *room = lm_operation_room(kind, self);
    lm_draft draft = {.texts = &text, .text_count = 1, .number = o->seed}, *items = &draft;
    lm_drafts batch = {.items = &items, .count = 1, .arena = lm_arena_new(0)};
    must(kind->apply(self, room, &batch, &st));
    must(lm_utf8_valid(text.data, text.len));
    lm_arena_free(batch.arena);
    kind->room_free(room);
    kind->close(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    make_directory();
    lm_augment_options o = lm_augment_defaults;
    lm_str text = {(const char *)data + 1, size - 1};
    o.seed = data[0];
    if (data[0] == 'W') {
        lm_str rest = text;
        for (int i = 0; i < 3; i++) {
            const char *end = rest.len ? memchr(rest.data, 0x1E, rest.len) : NULL;
            size_t n = end ? (size_t)(end - rest.data) : rest.len;
            write_file(files[i], (lm_str){rest.data, n});
            rest = end ? (lm_str){end + 1, rest.len - n - 1} : (lm_str){0};
        }
        o.eda.wordnet = directory;
        look_up(&o, text);
        return 0;
    }
    char path[64];
    snprintf(path, sizeof path, "%s/thesaurus", directory);
    lm_strings_add(&o.eda.thesaurus, path);
    if (data[0] == 'T') {
        write_file("thesaurus", text);
        look_up(&o, text);
    } else {
        static const char known[] = "a\tb c,d\n학교\t학원\n我爱\t他\nthe, dog, cat\n";
        lm_buf valid = {0};
        lm_utf8_replace_invalid(text, &valid);
        write_file("thesaurus", (lm_str){known, sizeof known - 1});
        for (const lm_operation_kind *const *k = (const lm_operation_kind *const[]){
                 &lm_synonym_kind, &lm_insert_kind, &lm_swap_kind, &lm_delete_kind, &lm_eda_kind, &lm_keyboard_kind, &lm_ocr_kind,
                 &lm_jamo_kind, &lm_typo_kind, NULL}; *k; k++)
            change(*k, &o, lm_buf_str(&valid));
        lm_buf_free(&valid);
    }
    free(o.eda.thesaurus.items);
    return 0;
}
