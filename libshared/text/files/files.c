/* Tokenizers as files: tokenizer.json, or vocab.txt with tokenizer_config.json. */
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 1 << 28 };

/* ---------------------------------------------------------------- reading */

/* Integers beyond 64 bits (transformers writes 10^30 for "no limit") with ".0" behind them, so that they are
 * read as reals; false if there are none. */
static bool make_reals(lm_str bytes, lm_buf *out)
{
    enum { DIGITS = 18 };
    bool string = false, any = false;
    for (size_t i = 0; i < bytes.len;) {
        char c = bytes.data[i];
        size_t n = 1;
        if (string && c == '\\' && i + 1 < bytes.len) {
            n = 2;
        } else if (c == '"') {
            string = !string;
        } else if (!string && c >= '0' && c <= '9') {
            while (i + n < bytes.len && strchr("0123456789.eE+-", bytes.data[i + n]) && bytes.data[i + n])
                n++;
        }
        lm_buf_append(out, bytes.data + i, n);
        if (n > DIGITS && !string && strcspn(lm_buf_cstr(out) + out->len - n, ".eE") == n) {
            lm_buf_puts(out, ".0");
            any = true;
        }
        i += n;
    }
    return any;
}

static json_t *parse_json(lm_str bytes, const char *name, lm_status *st)
{
    json_error_t error;
    json_t *root = json_loadb(bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow) {
        lm_buf reals = {0};
        if (make_reals(bytes, &reals))
            root = json_loadb(reals.data, reals.len, JSON_REJECT_DUPLICATES, &error);
        lm_buf_free(&reals);
    }
    if (!root)
        lm_fail(st, LM_FAILED, "%s:%d: %s: not valid JSON", name, error.line, error.text);
    return root;
}

static json_t *read_json(const char *path, lm_status *st)
{
    char *bytes;
    size_t n;
    if (!lm_file_read(path, FILE_LIMIT, &bytes, &n, st))
        return NULL;
    json_t *root = parse_json((lm_str){bytes, n}, path, st);
    free(bytes);
    return root;
}

/* The JSON file `name` beside `path`; NULL without a failure where there is none. */
static json_t *read_beside(const char *directory, const char *name, lm_status *st)
{
    char *path = lm_format("%s/%s", directory, name);
    struct stat s;
    json_t *root = stat(path, &s) == 0 ? read_json(path, st) : NULL;
    free(path);
    return root;
}

/* Lines of a vocab.txt: the number of a line is the id of its token. A token that comes again keeps its last
 * id. */
static bool take_vocab_lines(lm_str bytes, const char *name, lm_vocabulary *v, lm_status *st)
{
    size_t twice = 0, line = 0;
    if (bytes.len >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0)
        lm_warn("%s: begins with a byte order mark, which is taken for a part of the first token", name);
    for (size_t i = 0; i < bytes.len; line++) {
        const char *start = bytes.data + i, *end = memchr(start, '\n', bytes.len - i);
        size_t len = end ? (size_t)(end - start) : bytes.len - i;
        i += len + 1;
        if (len && start[len - 1] == '\r')
            len--;
        lm_str token = {start, len};
        int known = lm_vocabulary_find(v, token);
        if (known >= 0) {
            if (!twice++)
                lm_warn("%s:%zu: \"%.*s\" stands on line %d already: the later line counts", name, line + 1,
                        (int)len, start, known + 1);
            lm_vocabulary_move(v, known, (int)line);
        } else if (!lm_vocabulary_add(v, token, (int64_t)line, st)) {
            return false;
        }
    }
    return v->count > 0 || lm_fail(st, LM_FAILED, "the vocabulary is empty");
}

static json_t *token_spec(lm_str token, int id)
{
    return json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", token.data, token.len,
                     "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
}

static json_t *template_piece(const char *kind, lm_str id, int type)
{
    return json_pack("{s:{s:s%, s:i}}", kind, "id", id.data, id.len, "type_id", type);
}

static json_t *template_token(lm_str token, int id)
{
    return json_pack("{s:s%, s:[i], s:[s%]}", "id", token.data, token.len, "ids", id, "tokens", token.data,
                     token.len);
}

json_t *lm_bert_spec(const lm_bert_options *o, const lm_vocabulary *v, lm_status *st)
{
    int cls = lm_vocabulary_find(v, o->cls), sep = lm_vocabulary_find(v, o->sep);
    lm_str lacking = cls < 0 ? o->cls : o->sep;
    if (cls < 0 || sep < 0) {
        lm_fail(st, LM_FAILED, "the vocabulary lacks \"%.*s\": name its own in tokenizer_config.json",
                (int)lacking.len, lacking.data);
        return NULL;
    }
    json_t *added = json_array(), *specials = json_object();
    for (size_t i = 0; i < o->special_count; i++) {
        int id = lm_vocabulary_find(v, o->special[i]);
        if (id >= 0)
            json_array_append_new(added, token_spec(o->special[i], id));
    }
    json_object_setn_new(specials, o->cls.data, o->cls.len, template_token(o->cls, cls));
    json_object_setn_new(specials, o->sep.data, o->sep.len, template_token(o->sep, sep));
    lm_str a = lm_str_of("A"), b = lm_str_of("B");
    json_t *single = json_pack("[o,o,o]", template_piece("SpecialToken", o->cls, 0),
                               template_piece("Sequence", a, 0), template_piece("SpecialToken", o->sep, 0));
    json_t *pair = json_pack("[o,o,o,o,o]", template_piece("SpecialToken", o->cls, 0),
                             template_piece("Sequence", a, 0), template_piece("SpecialToken", o->sep, 0),
                             template_piece("Sequence", b, 1), template_piece("SpecialToken", o->sep, 1));
    json_t *accents = o->strip_accents < 0 ? json_null() : json_boolean(o->strip_accents);
    json_t *spec = json_pack(
        "{s:s, s:n, s:n, s:o, s:{s:s, s:b, s:b, s:o, s:b}, s:{s:s}, s:{s:s, s:o, s:o, s:o}, s:{s:s, s:s, "
        "s:b},"
        " s:{s:s, s:s%, s:s, s:i}}",
        "version", "1.0", "truncation", "padding", "added_tokens", added, "normalizer", "type",
        "BertNormalizer", "clean_text", o->clean_text, "handle_chinese_chars", o->cjk, "strip_accents",
        accents, "lowercase", o->lower_case, "pre_tokenizer", "type", "BertPreTokenizer", "post_processor",
        "type", "TemplateProcessing", "single", single, "pair", pair, "special_tokens", specials, "decoder",
        "type", "WordPiece", "prefix", "##", "cleanup", 1, "model", "type", "WordPiece", "unk_token",
        o->unk.data, o->unk.len, "continuing_subword_prefix", "##", "max_input_chars_per_word", 100);
    if (!spec)
        lm_fail(st, LM_FAILED, "a special token is not valid UTF-8");
    return spec;
}

/* Tokens that were added to a vocab.txt: `list` is tokenizer_config.json's added_tokens_decoder (id to
 * token), or the older added_tokens.json (token to id). What stands in the spec already stays as it is. */
static void add_decoder_tokens(json_t *spec, json_t *decoder)
{
    const char *id;
    json_t *token;
    json_object_foreach(decoder, id, token)
    {
        json_t *added = json_is_object(token) ? json_copy(token) : NULL;
        if (added && json_object_set_new(added, "id", json_integer(atoll(id))) == 0)
            json_array_append(json_object_get(spec, "added_tokens"), added);
        json_decref(added);
    }
}

static void add_older_tokens(json_t *spec, json_t *tokens, json_t *special)
{
    const char *content;
    size_t len;
    json_t *id;
    json_object_keylen_foreach(tokens, content, len, id)
    {
        bool is_special = false;
        size_t i;
        json_t *name;
        json_array_foreach(json_object_get(special, "additional_special_tokens"), i, name) is_special |=
            json_is_string(name) && lm_str_is((lm_str){content, len}, json_string_value(name));
        json_t *added = token_spec((lm_str){content, len}, 0);
        json_object_set(added, "id", id);
        json_object_set_new(added, "special", json_boolean(is_special));
        json_object_set_new(added, "normalized", json_boolean(!is_special));
        json_array_append_new(json_object_get(spec, "added_tokens"), added);
    }
}

/* Of two with the same content the first counts. */
static void drop_repeated(json_t *list)
{
    json_t *seen = json_object();
    for (size_t i = 0; i < json_array_size(list);) {
        const char *content = json_string_value(json_object_get(json_array_get(list, i), "content"));
        if (content && json_object_get(seen, content)) {
            json_array_remove(list, i);
            continue;
        }
        if (content)
            json_object_set_new(seen, content, json_true());
        i++;
    }
    json_decref(seen);
}

static lm_str config_token(json_t *config, const char *name, const char *otherwise)
{
    json_t *v = json_object_get(config, name);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return json_is_string(v) ? (lm_str){json_string_value(v), json_string_length(v)} : lm_str_of(otherwise);
}

/* What transformers makes of BertTokenizer's vocab.txt and tokenizer_config.json. */
static lm_tokenizer *from_vocab_txt(lm_str bytes, json_t *config, json_t *special_map, json_t *older,
                                    const char *path, lm_status *st)
{
    lm_token_tables tables = {0};
    json_t *names = config ? config : special_map, *spec = NULL;
    lm_str special[] = {config_token(names, "pad_token", "[PAD]"), config_token(names, "unk_token", "[UNK]"),
                        config_token(names, "cls_token", "[CLS]"), config_token(names, "sep_token", "[SEP]"),
                        config_token(names, "mask_token", "[MASK]")};
    bool lower = lm_spec_bool(config, "do_lower_case", true, "tokenizer_config.json", st);
    json_t *accents = json_object_get(config, "strip_accents");
    lm_bert_options options = {
        .lower_case = lower,
        .clean_text = true,
        .cjk = lm_spec_bool(config, "tokenize_chinese_chars", true, "tokenizer_config.json", st),
        .strip_accents = json_is_boolean(accents) ? json_is_true(accents) : -1,
        .unk = special[1],
        .cls = special[2],
        .sep = special[3],
        .special = special,
        .special_count = sizeof special / sizeof *special,
    };
    if (lm_ok(st) && take_vocab_lines(bytes, path, &tables.vocabulary, st))
        spec = lm_bert_spec(&options, &tables.vocabulary, st);
    if (!spec) {
        lm_token_tables_free(&tables);
        json_decref(config);
        json_decref(special_map);
        return NULL;
    }
    add_decoder_tokens(spec, json_object_get(config, "added_tokens_decoder"));
    add_older_tokens(spec, older, names);
    drop_repeated(json_object_get(spec, "added_tokens"));
    return lm_tokenizer_from_spec(spec, &tables, config, special_map, path, st);
}

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

lm_tokenizer *lm_tokenizer_from_bytes(lm_str bytes, json_t *config, json_t *special_map, json_t *older,
                                      const char *path, lm_status *st)
{
    size_t n = strlen(path);
    if (n >= 4 && strcmp(path + n - 4, ".txt") == 0)
        return from_vocab_txt(bytes, config, special_map, older, path, st);
    lm_token_tables tables = {0};
    lm_buf rest = {0};
    bool scanned = lm_token_tables_scan(&tables, bytes, &rest);
    json_t *spec = parse_json(scanned ? lm_buf_str(&rest) : bytes, path, st);
    lm_buf_free(&rest);
    if (spec) {
        say_conflict(spec, config, path);
        return lm_tokenizer_from_spec(spec, scanned ? &tables : NULL, config, special_map, path, st);
    }
    lm_token_tables_free(&tables);
    json_decref(config);
    json_decref(special_map);
    return NULL;
}

static lm_tokenizer *open_file(const char *path, const char *directory, lm_status *st)
{
    json_t *config = read_beside(directory, "tokenizer_config.json", st);
    json_t *special_map = lm_ok(st) ? read_beside(directory, "special_tokens_map.json", st) : NULL;
    json_t *older = lm_ok(st) ? read_beside(directory, "added_tokens.json", st) : NULL;
    char *bytes = NULL;
    size_t n;
    lm_tokenizer *t = NULL;
    if (lm_ok(st) && lm_file_read(path, FILE_LIMIT, &bytes, &n, st)) {
        t = lm_tokenizer_from_bytes((lm_str){bytes, n}, config, special_map, older, path, st);
    } else {
        json_decref(config);
        json_decref(special_map);
    }
    json_decref(older);
    free(bytes);
    return t;
}

/* `path` is a directory: what in it is a tokenizer? */
static char *find_file(const char *directory, lm_status *st)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};
    struct stat s;
    for (int i = 0; i < 2; i++) {
        char *path = lm_format("%s/%s", directory, names[i]);
        if (stat(path, &s) == 0)
            return path;
        free(path);
    }
    static const char *const later[] = {"tokenizer.model", "spiece.model", "vocab.json", "merges.txt"};
    for (int i = 0; i < 4; i++) {
        char *path = lm_format("%s/%s", directory, later[i]);
        bool there = stat(path, &s) == 0;
        free(path);
        if (there) {
            lm_fail(st, LM_FAILED,
                    "%s: needs: a reader of %s, which this version does not have: save it with its "
                    "tokenizer.json",
                    directory, later[i]);
            return NULL;
        }
    }
    lm_fail(st, LM_FAILED, "%s: no tokenizer here: neither tokenizer.json nor vocab.txt", directory);
    return NULL;
}

lm_tokenizer *lm_tokenizer_open(const char *path, lm_status *st)
{
    struct stat s;
    if (stat(path, &s) != 0) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the tokenizer", path);
        return NULL;
    }
    char *file = S_ISDIR(s.st_mode) ? find_file(path, st) : lm_strdup(path);
    if (!file)
        return NULL;
    char *slash = strrchr(file, '/');
    char *directory = slash ? lm_strndup(file, slash == file ? 1 : (size_t)(slash - file)) : lm_strdup(".");
    lm_tokenizer *t = open_file(file, directory, st);
    if (!t && !strstr(st->message, file) && !strstr(st->message, directory))
        lm_fail_prefix(st, file);
    free(directory);
    free(file);
    return t;
}

/* ---------------------------------------------------------------- writing */

static bool write_json(const char *directory, const char *name, json_t *root, lm_status *st)
{
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (!text)
        return lm_fail(st, LM_FAILED, "%s/%s: cannot be written as JSON", directory, name);
    char *path = lm_format("%s/%s", directory, name);
    lm_buf b = {0};
    lm_buf_puts(&b, text);
    lm_buf_putc(&b, '\n');
    bool ok = lm_file_write(path, b.data, b.len, st);
    lm_buf_free(&b);
    free(path);
    free(text);
    return ok;
}

static bool write_tokenizer_json(const lm_tokenizer *t, const char *directory, lm_status *st)
{
    const lm_vocabulary *v = &t->model.tables.vocabulary;
    json_t *root = json_copy(t->spec), *model = json_copy(json_object_get(t->spec, "model")),
           *vocab = json_object();
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        if (token.data && json_object_setn_new(vocab, token.data, token.len, json_integer(id)) != 0)
            lm_fail(st, LM_FAILED, "token %d is not valid UTF-8: tokenizer.json cannot hold it", id);
    }
    json_object_set_new(model, "vocab", vocab);
    json_object_set_new(root, "model", model);
    bool ok = lm_ok(st) && write_json(directory, "tokenizer.json", root, st);
    json_decref(root);
    return ok;
}

/* One token a line. With holes or line ends in tokens there is no such file, and tokenizer.json alone says it
 * all. */
static bool write_vocab_txt(const lm_tokenizer *t, const char *directory, lm_status *st)
{
    lm_buf b = {0};
    bool possible = true;
    for (int id = 0; id < lm_tokenizer_size(t) && possible; id++) {
        lm_str token = lm_tokenizer_token(t, id);
        possible = token.data && !memchr(token.data, '\n', token.len) && !memchr(token.data, '\r', token.len);
        lm_buf_append(&b, token.data, token.len);
        lm_buf_putc(&b, '\n');
    }
    char *path = lm_format("%s/vocab.txt", directory);
    bool ok = !possible || lm_file_write(path, b.data, b.len, st);
    free(path);
    lm_buf_free(&b);
    return ok;
}

/* What transformers needs beside tokenizer.json, where none was read. */
static json_t *default_config(const lm_tokenizer *t)
{
    json_t *config = json_pack(
        "{s:s, s:s, s:b, s:b, s:o, s:b}", "tokenizer_class",
        lm_normalizer_is_bert(&t->normalizer) ? "BertTokenizer" : "PreTrainedTokenizerFast", "padding_side",
        "right", "clean_up_tokenization_spaces", 1, "do_lower_case", t->normalizer.lower_case,
        "strip_accents",
        t->normalizer.strip_accents == t->normalizer.lower_case ? json_null()
                                                                : json_boolean(t->normalizer.strip_accents),
        "tokenize_chinese_chars", t->normalizer.cjk);
    for (int r = 0; r < LM_ROLE_COUNT; r++) {
        char name[16];
        snprintf(name, sizeof name, "%s_token", lm_role_names[r]);
        lm_str token = lm_tokenizer_token(t, t->roles[r]);
        if (token.data)
            json_object_set_new(config, name, json_stringn(token.data, token.len));
    }
    json_object_set_new(config, "model_max_length", json_integer(t->max_length ? t->max_length : 512));
    return config;
}

static json_t *default_special_map(const lm_tokenizer *t)
{
    json_t *map = json_object();
    for (int r = 0; r < LM_ROLE_COUNT; r++) {
        char name[16];
        snprintf(name, sizeof name, "%s_token", lm_role_names[r]);
        lm_str token = lm_tokenizer_token(t, t->roles[r]);
        if (token.data)
            json_object_set_new(map, name, json_stringn(token.data, token.len));
    }
    return map;
}

bool lm_tokenizer_save(const lm_tokenizer *t, const char *dir, lm_status *st)
{
    json_t *config = t->config ? json_incref(t->config) : default_config(t);
    json_t *map = t->special_map ? json_incref(t->special_map) : default_special_map(t);
    bool ok = write_tokenizer_json(t, dir, st) && write_json(dir, "tokenizer_config.json", config, st) &&
              write_json(dir, "special_tokens_map.json", map, st) && write_vocab_txt(t, dir, st);
    json_decref(config);
    json_decref(map);
    return ok;
}
