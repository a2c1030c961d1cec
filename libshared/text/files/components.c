/* Components as tokenizer.json spells them, which several formats share. */
#include "text/files/files.h"

#include "base/memory.h"

#include <stdlib.h>

#define SPACE_MARK "\xE2\x96\x81" /* U+2581, which stands for a space */

json_t *lm_spec_of(const char *type)
{
    return json_pack("{s:s}", "type", type);
}

json_t *lm_spec_replace(const char *string, const char *content)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", string, "content",
                     content);
}

json_t *lm_spec_split(const char *regex)
{
    return json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", regex, "behavior",
                     "Isolated", "invert", 0);
}

json_t *lm_spec_byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", add_prefix_space,
                     "trim_offsets", trim_offsets, "use_regex", use_regex);
}

json_t *lm_spec_metaspace(const char *prepend_scheme, bool split)
{
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", SPACE_MARK, "prepend_scheme",
                     prepend_scheme, "split", split);
}

json_t *lm_spec_sequence(const char *member, json_t *parts)
{
    return json_pack("{s:s, s:o}", "type", "Sequence", member, parts);
}

json_t *lm_spec_precompiled(lm_str charsmap)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = (charsmap.len + 2) / 3 * 4;
    char *text = lm_malloc(n + 1, 1), *out = text;
    for (size_t i = 0; i < charsmap.len; i += 3) {
        uint32_t bits = 0;
        size_t have = charsmap.len - i < 3 ? charsmap.len - i : 3;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < have ? (unsigned char)charsmap.data[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *out++ = k <= have ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    json_t *spec = json_pack("{s:s, s:s%}", "type", "Precompiled", "precompiled_charsmap", text, n);
    free(text);
    return spec;
}

static json_t *charsmap_of(json_t *normalizer)
{
    json_t *own = json_object_get(normalizer, "precompiled_charsmap"), *part, *found = NULL;
    size_t i;
    json_array_foreach(json_object_get(normalizer, "normalizers"), i, part)
        if (!found)
            found = charsmap_of(part);
    return own ? own : found;
}

static void put_base64(lm_str text, lm_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
        if (!digit)
            continue;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            lm_buf_putc(out, (char)(bits >> have));
        }
    }
}

bool lm_spec_charsmap(json_t *normalizer, lm_buf *out)
{
    json_t *base64 = charsmap_of(normalizer);
    if (base64)
        put_base64((lm_str){json_string_value(base64), json_string_length(base64)}, out);
    return base64 != NULL;
}

json_t *lm_spec_llama_normalizer(bool prefix)
{
    json_t *parts = json_array();
    if (prefix)
        json_array_append_new(parts, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", SPACE_MARK));
    json_array_append_new(parts, lm_spec_replace(" ", SPACE_MARK));
    return lm_spec_sequence("normalizers", parts);
}

json_t *lm_spec_llama_decoder(bool prefix)
{
    json_t *parts = json_pack("[o, o, o]", lm_spec_replace(SPACE_MARK, " "), lm_spec_of("ByteFallback"),
                              lm_spec_of("Fuse"));
    if (prefix)
        json_array_append_new(
            parts, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    return lm_spec_sequence("decoders", parts);
}

json_t *lm_spec_spm_normalizer(lm_str charsmap)
{
    json_t *parts = json_array();
    if (charsmap.data)
        json_array_append_new(parts, lm_spec_precompiled(charsmap));
    json_array_append_new(parts,
                          json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 0, "strip_right", 1));
    json_array_append_new(parts, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "Regex",
                                           " {2,}", "content", SPACE_MARK));
    return lm_spec_sequence("normalizers", parts);
}

json_t *lm_spec_bpe(const char *unk, bool byte_fallback, bool fuse_unk)
{
    return json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b}", "type", "BPE", "dropout", "unk_token", unk,
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", fuse_unk, "byte_fallback",
                     byte_fallback, "ignore_merges", 0);
}

json_t *lm_spec_byte_bpe(bool ignore_merges)
{
    json_t *model = lm_spec_bpe(NULL, false, false);
    json_object_set_new(model, "continuing_subword_prefix", json_string(""));
    json_object_set_new(model, "end_of_word_suffix", json_string(""));
    json_object_set_new(model, "ignore_merges", json_boolean(ignore_merges));
    return model;
}

json_t *lm_spec_unigram(int unk_id, bool byte_fallback)
{
    return json_pack("{s:s, s:i, s:b}", "type", "Unigram", "unk_id", unk_id, "byte_fallback", byte_fallback);
}

static int by_id(const void *x, const void *y)
{
    json_int_t a = json_integer_value(json_object_get(*(json_t *const *)x, "id"));
    json_int_t b = json_integer_value(json_object_get(*(json_t *const *)y, "id"));
    return (a > b) - (a < b);
}

/* As the reference writes them: by their ids. */
static json_t *sorted(json_t *added)
{
    size_t n = json_array_size(added);
    json_t **items = lm_malloc(n + 1, sizeof(json_t *)), *list = json_array();
    for (size_t i = 0; i < n; i++)
        items[i] = json_array_get(added, i);
    qsort(items, n, sizeof(json_t *), by_id);
    for (size_t i = 0; i < n; i++)
        json_array_append(list, items[i]);
    free(items);
    return list;
}

void lm_draft_compose(lm_draft *d, json_t *normalizer, json_t *pre_tokenizer, json_t *post_processor,
                      json_t *decoder, json_t *model)
{
    json_decref(d->spec);
    d->spec =
        json_pack("{s:s, s:n, s:n, s:o, s:o?, s:o?, s:o?, s:o?, s:o?}", "version", "1.0", "truncation",
                  "padding", "added_tokens", sorted(d->added), "normalizer", normalizer, "pre_tokenizer",
                  pre_tokenizer, "post_processor", post_processor, "decoder", decoder, "model", model);
}
