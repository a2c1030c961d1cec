/* Any bytes as the rules of --rules and, behind the first NUL, as a text: what is taken for rules makes UTF-8 of UTF-8 and ends;
 * and the words of the text, as filters count them, lie in it in their order. */
#include "augment/quality/words.h"
#include "augment/rules/rule.h"
#include "base/log.h"
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void cut(lm_str text)
{
    lm_count_words w = {0};
    size_t counts[2];
    for (int spaces = 0; spaces < 2; spaces++) {
        lm_count_words_cut(&w, text, spaces);
        size_t end = 0;
        for (size_t i = 0; i < w.count; i++) {
            const lm_count_word *word = &w.items[i];
            must(word->from >= end && word->len > 0 && word->len <= text.len - word->from);
            must(word->chars == lm_utf8_count(text.data + word->from, word->len) && (spaces || !(word->is & LM_WORD_SPACE)));
            end = word->from + word->len;
        }
        must(lm_count_sentences(&w) <= w.count);
        counts[spaces] = w.count;
    }
    must(counts[0] <= counts[1]);
    lm_count_words_free(&w);
}

static void use(lm_rules *rules, lm_str text)
{
    lm_rule_room *room = lm_rule_room_new(rules);
    lm_arena *arena = lm_arena_new(0);
    for (size_t i = 0; i < rules->count; i++) {
        const lm_rule *rule = &rules->items[i];
        must(rule->field < 2);
        if (rule->verb == LM_RULE_DROP_IF || rule->verb == LM_RULE_KEEP_IF) {
            lm_rule_matches(rule, room, text);
            continue;
        }
        const lm_str before = text;
        lm_rule_outcome o = lm_rule_change(rule, room, &text, 1 << 16, arena);
        must(o == LM_RULE_DONE ? !lm_str_equal(text, before) && text.len <= 1 << 16 : text.data == before.data);
        must(lm_utf8_valid(text.data, text.len));
    }
    lm_arena_free(arena);
    lm_rule_room_free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lm_log_level(LM_ERROR);
    const uint8_t *nul = size ? memchr(bytes, '\0', size) : NULL;
    size_t n = nul ? (size_t)(nul - bytes) : size;
    lm_buf text = {0};
    if (nul)
        lm_utf8_replace_invalid((lm_str){(const char *)nul + 1, size - n - 1}, &text);
    lm_status st = LM_STATUS_INIT;
    lm_rules rules = {0};
    lm_input *in = lm_input_memory(bytes, n, "rules");
    bool good = lm_rules_read(&rules, in, "title,text", &st);
    must(good == lm_ok(&st) && (good || st.message[0]));
    cut(lm_buf_str(&text));
    if (good)
        use(&rules, lm_buf_str(&text));
    lm_input_close(in);
    lm_rules_free(&rules);
    lm_buf_free(&text);
    return 0;
}
