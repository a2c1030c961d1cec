/* Tokenizers are opened: which file of a directory it is, and which format. */
#include "text/files/files.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "stream/json.h"
#include "text/files/table_cache.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 1 << 28 };

typedef enum file_format { TOKENIZER_JSON, VOCAB_TXT, VOCAB_JSON, SENTENCEPIECE, GGUF } file_format;

/* ---------------------------------------------------------------- which format */

/* By the name; where that says nothing, by the first bytes. */
static file_format format_of(const char *path, lm_str head)
{
    static const struct {
        const char *end;
        file_format format;
    } names[] = {{"vocab.json", VOCAB_JSON},
                 {".json", TOKENIZER_JSON},
                 {".txt", VOCAB_TXT},
                 {".model", SENTENCEPIECE},
                 {".gguf", GGUF}};
    if (head.len >= 4 && memcmp(head.data, "GGUF", 4) == 0)
        return GGUF;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lm_ends_in(path, names[i].end))
            return names[i].format;
    return head.len && head.data[0] == '\n' ? SENTENCEPIECE
                                            : TOKENIZER_JSON; /* field 1 of a protobuf message */
}

/* ---------------------------------------------------------------- tokenizer.json */

/* transformers may let the settings of BERT's slow tokenizer in tokenizer_config.json overrule
 * tokenizer.json; we do not, for it is the file that the reference reads. */
static void say_conflict(json_t *spec, json_t *config, const char *path)
{
    json_t *normalizer = json_object_get(spec, "normalizer"),
           *lower = json_object_get(config, "do_lower_case");
    const char *type = json_string_value(json_object_get(normalizer, "type"));
    json_t *mine = json_object_get(normalizer, "lowercase");
    if (type && strcmp(type, "BertNormalizer") == 0 && json_is_boolean(lower) && json_is_boolean(mine) &&
        json_is_true(lower) != json_is_true(mine))
        lm_warn("%s: lowercase is %s, but do_lower_case in tokenizer_config.json %s: the former counts", path,
                json_is_true(mine) ? "true" : "false", json_is_true(lower) ? "true" : "false");
}

/* A text that came out of the file: its lines are not those of the file, so that what is wrong with it is said when the file is read. */
static json_t *parse_rest(lm_str rest, const char *path)
{
    lm_status quick = LM_STATUS_INIT;
    return lm_json_parse(rest, path, LM_JSON_NUL | LM_JSON_BIG_INTEGERS, &quick);
}

/* From what is kept of a file; NULL without a failure where nothing is, or of no use. */
static lm_tokenizer *from_kept(const lm_table_cache *cache, const lm_beside *beside, const char *path, lm_status *st)
{
    lm_kept_tables kept;
    if (!lm_table_cache_read(cache, &kept))
        return NULL;
    json_t *spec = parse_rest(kept.rest, path);
    if (!spec) {
        lm_kept_tables_free(&kept);
        return NULL;
    }
    say_conflict(spec, beside->config, path);
    return lm_tokenizer_from_kept(spec, &kept, json_incref(beside->config), json_incref(beside->special_map), path, st);
}

static lm_tokenizer *from_tokenizer_json(lm_str bytes, const lm_beside *beside, const char *path,
                                         lm_status *st)
{
    lm_token_tables tables = {0};
    lm_buf rest = {0};
    lm_table_cache cache;
    lm_table_cache_find(&cache, bytes);
    lm_tokenizer *t = from_kept(&cache, beside, path, st);
    bool scanned = !t && lm_ok(st) && lm_token_tables_scan(&tables, bytes, &rest);
    json_t *spec = scanned ? parse_rest(lm_buf_str(&rest), path) : NULL;
    if (!t && lm_ok(st) && !spec)
        spec = lm_json_parse(bytes, path, LM_JSON_NUL | LM_JSON_BIG_INTEGERS, st);
    if (spec && json_object_get(spec, "model")) {
        say_conflict(spec, beside->config, path);
        t = lm_tokenizer_from_spec(spec, scanned ? &tables : NULL, json_incref(beside->config),
                                   json_incref(beside->special_map), path, st);
        if (t && scanned)
            lm_table_cache_write(&cache, t, lm_buf_str(&rest));
    } else if (!t) {
        lm_token_tables_free(&tables);
        json_decref(spec);
        if (lm_ok(st))
            lm_fail(st, LM_FAILED, "%s: no tokenizer.json, for it has no \"model\": name the directory that it is in", path);
    }
    lm_buf_free(&rest);
    lm_table_cache_free(&cache);
    return t;
}

/* ---------------------------------------------------------------- all formats, from bytes */

static bool read_gguf(lm_draft *d, lm_str bytes, lm_status *st)
{
    lm_gguf *file = lm_gguf_from_memory(bytes.data, bytes.len, d->path, st);
    bool ok = file && lm_gguf_vocabulary_read(d, file, st);
    lm_gguf_close(file);
    return ok;
}

static lm_tokenizer *from_bytes(file_format format, lm_str bytes, lm_str merges, const char *merges_path,
                                const lm_beside *beside, const char *path, lm_status *st)
{
    lm_draft d = {.path = path, .st = st};
    switch (format) {
    case TOKENIZER_JSON:
        return from_tokenizer_json(bytes, beside, path, st);
    case VOCAB_TXT:
        lm_vocab_txt_read(&d, bytes, beside, st);
        break;
    case VOCAB_JSON:
        lm_vocab_json_read(&d, bytes, merges, merges_path, beside, st);
        break;
    case SENTENCEPIECE:
        lm_sentencepiece_read(&d, bytes, beside, st);
        break;
    case GGUF:
        read_gguf(&d, bytes, st);
        break;
    }
    return lm_draft_tokenizer(&d, beside, st);
}

lm_tokenizer *lm_tokenizer_from_bytes(lm_str bytes, json_t *config, json_t *special_map, json_t *older,
                                      const char *path, lm_status *st)
{
    lm_beside beside = {.config = config, .special_map = special_map, .older = older};
    lm_tokenizer *t =
        from_bytes(format_of(path, bytes), bytes, (lm_str){"", 0}, "merges.txt", &beside, path, st);
    json_decref(config);
    json_decref(special_map);
    return t;
}

lm_tokenizer *lm_tokenizer_from_vocab_json(lm_str vocab, lm_str merges, json_t *config, lm_status *st)
{
    lm_beside beside = {.config = config};
    return from_bytes(VOCAB_JSON, vocab, merges, "merges.txt", &beside, "vocab.json", st);
}

/* ---------------------------------------------------------------- from files */

/* The JSON file `name` of the tokenizer; NULL without a failure where there is none. */
static json_t *read_beside(lm_bundle *b, const char *name, lm_status *st)
{
    return lm_ok(st) && lm_bundle_has(b, name) ? lm_bundle_json(b, name, LM_JSON_NUL | LM_JSON_BIG_INTEGERS, st) : NULL;
}

/* The same of tokenizer_config.json, without what stands there of every added token, which tokenizer.json says, too: *decoder is its text
 * (malloced), or NULL. */
static json_t *read_config(lm_bundle *b, char **decoder, lm_status *st)
{
    static const char name[] = "tokenizer_config.json", member[] = "added_tokens_decoder";
    lm_buf rest = {0};
    lm_str text;
    char *bytes;
    size_t n;
    *decoder = NULL;
    if (!lm_ok(st) || !lm_bundle_has(b, name) || !lm_bundle_read(b, name, FILE_LIMIT, &bytes, &n, st))
        return NULL;
    char *path = lm_bundle_file(b, name);
    json_t *config = NULL;
    if (lm_json_set_aside((lm_str){bytes, n}, lm_str_of(member), &rest, &text) && (config = parse_rest(lm_buf_str(&rest), path)))
        *decoder = lm_strndup(text.data, text.len);
    else
        config = lm_json_parse((lm_str){bytes, n}, path, LM_JSON_NUL | LM_JSON_BIG_INTEGERS, st);
    lm_buf_free(&rest);
    free(bytes);
    free(path);
    return config;
}

static lm_tokenizer *from_gguf(const lm_gguf *file, lm_status *st)
{
    static const lm_beside nothing;
    lm_draft d = {.path = lm_gguf_name(file), .st = st};
    lm_gguf_vocabulary_read(&d, file, st);
    return lm_draft_tokenizer(&d, &nothing, st);
}

/* merges.txt beside a vocab.json, or the other way round: *name becomes the latter. */
static bool read_merges(lm_bundle *b, const char **name, char **bytes, size_t *n, lm_status *st)
{
    static const char vocab[] = "vocab.json", merges[] = "merges.txt";
    *name = vocab;
    const char *missing = !lm_bundle_has(b, vocab) ? vocab : !lm_bundle_has(b, merges) ? merges : NULL;
    if (!missing)
        return lm_bundle_read(b, merges, FILE_LIMIT, bytes, n, st);
    char *path = lm_bundle_file(b, missing);
    lm_fail(st, LM_FAILED,
            "%s: is missing, and vocab.json and merges.txt make a tokenizer only together: fetch it, too", path);
    free(path);
    return false;
}

/* The file's bytes, the bundle's. */
static bool read_file(lm_bundle *b, const char *name, const char *path, lm_str *bytes, lm_status *st)
{
    lm_map map;
    if (!lm_bundle_map(b, name, &map, st))
        return false;
    *bytes = (lm_str){map.size ? map.bytes : "", map.size};
    return map.size <= FILE_LIMIT || lm_fail(st, LM_FAILED, "%s: is longer than %d bytes, which is too long for what it should "
                                             "be", path, FILE_LIMIT);
}

/* The file `name`, with what stands beside it. */
static lm_tokenizer *open_file(lm_bundle *b, const char *name, lm_status *st)
{
    char *merges = NULL, *merges_path = lm_bundle_file(b, "merges.txt");
    lm_str bytes = {NULL, 0};
    size_t merges_n = 0;
    bool two = strcmp(name, "vocab.json") == 0 || strcmp(name, "merges.txt") == 0;
    lm_tokenizer *t = NULL;
    if (two)
        read_merges(b, &name, &merges, &merges_n, st);
    char *path = lm_bundle_file(b, name);
    lm_beside beside = {.special_map = read_beside(b, "special_tokens_map.json", st), .older = read_beside(b, "added_tokens.json", st)};
    char *decoder = NULL;
    if (lm_ok(st) && read_file(b, name, path, &bytes, st)) {
        file_format format = two ? VOCAB_JSON : format_of(path, bytes);
        bool whole = format != TOKENIZER_JSON;
        beside.config = whole ? read_beside(b, "tokenizer_config.json", st) : read_config(b, &decoder, st);
        beside.model = whole ? read_beside(b, "config.json", st) : NULL;
        if (lm_ok(st))
            t = from_bytes(format, bytes, (lm_str){merges, merges_n}, merges_path, &beside, path, st);
    }
    if (t)
        t->decoder_text = decoder;
    else
        free(decoder);
    if (!t && !strstr(st->message, name))
        lm_fail_prefix(st, path);
    json_decref(beside.config);
    json_decref(beside.special_map);
    json_decref(beside.older);
    json_decref(beside.model);
    free(merges);
    free(merges_path);
    free(path);
    return t;
}

/* What of a directory is a tokenizer? */
static const char *find_file(const lm_bundle *b, lm_status *st)
{
    static const char *const names[] = {"tokenizer.json",          "tokenizer.model", "spiece.model",
                                        "sentencepiece.bpe.model", "vocab.json",      "vocab.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lm_bundle_has(b, names[i]))
            return names[i];
    lm_fail(st, LM_FAILED,
            "%s: no tokenizer here: none of tokenizer.json, tokenizer.model, spiece.model, vocab.json with "
            "merges.txt, "
            "vocab.txt: name where it is with --tokenizer",
            lm_bundle_name(b));
    return NULL;
}

lm_tokenizer *lm_tokenizer_open(const char *path, lm_status *st)
{
    struct stat s;
    const char *name = NULL;
    lm_bundle *b = NULL;
    if (lm_bundle_at(path)) {
        b = lm_bundle_open(path, st);
        name = b && !lm_bundle_gguf(b) ? find_file(b, st) : NULL;
    } else if (stat(path, &s) != 0) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the tokenizer", path);
    } else {
        b = lm_bundle_beside(path, &name);
    }
    const lm_gguf *gguf = b ? lm_bundle_gguf(b) : NULL;
    lm_tokenizer *t = gguf ? from_gguf(gguf, st) : name ? open_file(b, name, st) : NULL;
    lm_bundle_close(b);
    return t;
}
