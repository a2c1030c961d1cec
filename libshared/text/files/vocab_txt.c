/* vocab.txt, a token a line: BERT's. */
#include "text/files/files.h"

#include "base/log.h"

/* The number of a line is the id of its token. A token that comes again keeps its last id. */
static bool take_lines(lm_str bytes, const char *name, lm_vocabulary *v, lm_status *st)
{
    size_t twice = 0, line = 0;
    if (bytes.len >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0)
        lm_warn("%s: begins with a byte order mark, which is taken for a part of the first token", name);
    for (lm_str token; lm_str_take_line(&bytes, &token); line++) {
        int known = lm_vocabulary_find(v, token);
        if (known >= 0) {
            if (!twice++)
                lm_warn("%s:%zu: \"%.*s\" stands on line %d already: the later line counts", name, line + 1,
                        (int)token.len, token.data, known + 1);
            lm_vocabulary_move(v, known, (int)line);
        } else if (!lm_vocabulary_add(v, token, (int64_t)line, st)) {
            return false;
        }
    }
    return v->count > 0 || lm_fail(st, LM_FAILED, "%s: the vocabulary is empty: fetch the file again", name);
}

static bool compose(lm_draft *d, const lm_bert_options *o, lm_status *st)
{
    json_t *template = lm_draft_template(d, "{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", st);
    if (!template)
        return false;
    json_t *accents = o->strip_accents < 0 ? json_null() : json_boolean(o->strip_accents);
    json_t *normalizer =
        json_pack("{s:s, s:b, s:b, s:o, s:b}", "type", "BertNormalizer", "clean_text", o->clean_text,
                  "handle_chinese_chars", o->cjk, "strip_accents", accents, "lowercase", o->lower_case);
    json_t *model = json_pack("{s:s, s:s%, s:s, s:i}", "type", "WordPiece", "unk_token", o->unk.data,
                              o->unk.len, "continuing_subword_prefix", "##", "max_input_chars_per_word", 100);
    json_t *decoder = json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1);
    lm_draft_compose(d, normalizer, lm_spec_of("BertPreTokenizer"), template, decoder, model);
    return d->spec || lm_fail(st, LM_FAILED,
                              "a special token is not valid UTF-8: name its own in tokenizer_config.json");
}

json_t *lm_bert_spec(const lm_bert_options *o, const lm_vocabulary *v, lm_status *st)
{
    lm_draft d = {.tables.vocabulary = *v, .path = "vocab.txt", .st = st};
    d.roles[LM_ROLE_CLS] = o->cls;
    d.roles[LM_ROLE_SEP] = o->sep;
    for (size_t i = 0; i < o->special_count; i++)
        if (lm_vocabulary_find(v, o->special[i]) >= 0)
            lm_draft_add(&d, o->special[i], (lm_added_flags){.special = true});
    compose(&d, o, st);
    json_t *spec = lm_ok(st) ? json_incref(d.spec) : NULL;
    d.tables = (lm_token_tables){0}; /* borrowed */
    lm_draft_free(&d);
    return spec;
}

bool lm_vocab_txt_read(lm_draft *d, lm_str bytes, const lm_beside *beside, lm_status *st)
{
    static const char *const usual[LM_ROLE_COUNT] = {"[PAD]", "[CLS]", "[SEP]", "[MASK]",
                                                     "[UNK]", NULL,    NULL};
    static const char config[] = "tokenizer_config.json";
    json_t *accents = json_object_get(beside->config, "strip_accents");
    if (!take_lines(bytes, d->path, &d->tables.vocabulary, st))
        return false;
    lm_draft_roles(d, beside, usual);
    lm_bert_options o = {
        .lower_case = lm_spec_bool(beside->config, "do_lower_case", true, config, st),
        .clean_text = true,
        .cjk = lm_spec_bool(beside->config, "tokenize_chinese_chars", true, config, st),
        .strip_accents = json_is_boolean(accents) ? json_is_true(accents) : -1,
        .unk = d->roles[LM_ROLE_UNK],
    };
    if (!o.unk.data)
        o.unk = lm_str_of(usual[LM_ROLE_UNK]);
    for (int r = 0; r < LM_ROLE_COUNT; r++) /* a usual one that the vocabulary lacks is none */
        if (usual[r] && lm_str_is(d->roles[r], usual[r]) &&
            lm_vocabulary_find(&d->tables.vocabulary, d->roles[r]) < 0 && r != LM_ROLE_CLS &&
            r != LM_ROLE_SEP)
            d->roles[r] = (lm_str){NULL, 0};
    int cls = lm_vocabulary_find(&d->tables.vocabulary, d->roles[LM_ROLE_CLS]);
    int sep = lm_vocabulary_find(&d->tables.vocabulary, d->roles[LM_ROLE_SEP]);
    if (cls < 0 || sep < 0) {
        lm_str lacking = d->roles[cls < 0 ? LM_ROLE_CLS : LM_ROLE_SEP];
        return lm_fail(st, LM_FAILED,
                       "%s: the vocabulary lacks \"%.*s\": name its own in tokenizer_config.json", d->path,
                       (int)lacking.len, lacking.data ? lacking.data : "");
    }
    lm_draft_add_beside(d, beside, (lm_added_flags){.special = true});
    d->config = json_pack("{s:s}", "tokenizer_class", "BertTokenizer");
    return lm_ok(st) && compose(d, &o, st);
}
