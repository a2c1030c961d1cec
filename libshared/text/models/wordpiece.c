#include "text/models/models.h"

static bool read_wordpiece(lm_token_model *m, json_t *spec, lm_status *st)
{
    lm_str unk = lm_spec_string(spec, "unk_token", lm_str_of("[UNK]"), "WordPiece", st);
    lm_str prefix = lm_spec_string(spec, "continuing_subword_prefix", lm_str_of("##"), "WordPiece", st);
    lm_buf_append(&m->prefix, prefix.data, prefix.len);
    m->unk_id = lm_vocabulary_find(&m->tables.vocabulary, unk);
    if (lm_ok(st) && m->unk_id < 0)
        return lm_fail(st, LM_FAILED, "the vocabulary lacks the unknown token \"%.*s\"", (int)unk.len,
                       unk.data);
    json_t *max = json_object_get(spec, "max_input_chars_per_word");
    if (max && (!json_is_integer(max) || json_integer_value(max) < 0))
        return lm_fail(st, LM_FAILED, "WordPiece: \"max_input_chars_per_word\" is no count");
    m->max_chars = max ? (size_t)json_integer_value(max) : 100;
    return lm_ok(st);
}

/* The longest token that begins word[start..], behind `head`; its end, or `start` where there is none. */
static size_t longest(const lm_token_model *m, lm_str word, size_t start, lm_str head, uint64_t hash,
                      uint64_t *hashes, int *id)
{
    size_t end = start + m->tables.vocabulary.longest;
    if (end > word.len)
        end = word.len;
    for (size_t i = start; i < end; i++)
        hashes[i - start] = hash = lm_vocabulary_hash_byte(hash, (unsigned char)word.data[i]);
    for (; end > start; end--) {
        if (end < word.len && ((unsigned char)word.data[end] & 0xC0) == 0x80)
            continue; /* not between characters */
        lm_str tail = {word.data + start, end - start};
        *id = lm_vocabulary_probe(&m->tables.vocabulary, hashes[end - start - 1], head, tail);
        if (*id >= 0)
            return end;
    }
    return start;
}

/* Greedy longest match first (Schuster and Nakajima 2012; BERT's WordpieceTokenizer). */
static void encode_wordpiece(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                             lm_token_list *out)
{
    size_t first = out->n, start = 0;
    if (chars <= m->max_chars) {
        size_t most = word.len < m->tables.vocabulary.longest ? word.len : m->tables.vocabulary.longest;
        uint64_t *hashes = lm_model_scratch_get(scratch, most, sizeof *hashes);
        uint64_t empty = lm_vocabulary_hash_start();
        lm_str head = {NULL, 0};
        uint64_t hash = empty;
        while (start < word.len) {
            int id;
            size_t end = longest(m, word, start, head, hash, hashes, &id);
            if (end == start)
                break;
            lm_token_push(out, id, (int32_t)end);
            if (start == 0) {
                head = lm_buf_str(&m->prefix);
                hash = lm_vocabulary_hash(empty, head);
            }
            start = end;
        }
    }
    if (start < word.len) {
        out->n = first;
        lm_token_push(out, m->unk_id, (int32_t)word.len);
    }
}

static void describe_wordpiece(const lm_token_model *m, lm_buf *out)
{
    lm_buf_printf(out, "(prefix=%.*s,unk=%d,max=%zu)", (int)m->prefix.len,
                  m->prefix.data ? m->prefix.data : "", m->unk_id, m->max_chars);
}

const struct lm_token_model_type lm_wordpiece_type = {
    .read = read_wordpiece,
    .encode = encode_wordpiece,
    .describe = describe_wordpiece,
};
