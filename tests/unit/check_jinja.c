#include "unit.h"

#include "base/memory.h"
#include "stream/json.h"
#include "text/chat/chat_internal.h"

typedef struct rendering {
    const char *template, *text;
} rendering;

typedef struct refusal {
    const char *template, *why;
} refusal;

#include "check_jinja.inc"

static lm_jinja_run *new_run(void)
{
    lm_jinja_run *r = lm_jinja_run_new(&(lm_jinja_limits){.steps = 1000000, .memory = 64 << 20});
    r->now = 1700000000; /* 2023-11-14 22:13:20 */
    r->utc = true;
    return r;
}

/* Renders with the variables in `json`; the text is in r->out. */
static bool render(lm_jinja_run *r, const char *template, const char *json, lm_status *st)
{
    lm_jinja *t = lm_jinja_parse(lm_str_of(template), "t", st);
    lm_jinja_run_reset(r, st);
    bool ok = t && lm_jinja_render(t, r, lm_value_from_json(&r->memory, lm_str_of(json)), st);
    lm_jinja_free(t);
    return ok;
}

static void renders(lm_jinja_run *r, const char *template, const char *json, const char *text)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(render(r, template, json, &st), "%s: %s", template, st.message);
    ck_assert_msg(lm_str_is(lm_buf_str(&r->out), text), "%s:\n%s\ninstead of\n%s", template,
                  lm_buf_cstr(&r->out), text);
}

START_TEST(what_jinja_renders)
{
    lm_jinja_run *r = new_run();
    for (size_t i = 0; i < sizeof renderings / sizeof *renderings; i++)
        renders(r, renderings[i].template, talk, renderings[i].text);
    lm_jinja_run_free(r);
}
END_TEST

START_TEST(what_is_refused)
{
    lm_jinja_run *r = new_run();
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_msg(!render(r, refusals[i].template, talk, &st), "%s renders", refusals[i].template);
        ck_assert_msg(strstr(st.message, refusals[i].why) != NULL, "%s: \"%s\" lacks \"%s\"",
                      refusals[i].template, st.message, refusals[i].why);
        ck_assert_msg(strncmp(st.message, "t:", 2) == 0 || strstr(st.message, "memory") ||
                          strstr(st.message, "nested"),
                      "%s: \"%s\" says not where", refusals[i].template, st.message);
    }
    /* and the memory is good for the next one */
    renders(r, "{{ s }}", talk, "a,b,,c");
    lm_jinja_run_free(r);
}
END_TEST

START_TEST(where_generation_stands)
{
    lm_jinja_run *r = new_run();
    lm_status st = LM_STATUS_INIT;
    ck_assert(render(r,
                     "가{% for i in [1, 2] %}<{% generation %}{{ i * 11 }}{% endgeneration %}>{% endfor %}",
                     "{}", &st));
    ck_assert_uint_eq(r->span_count, 2);
    ck_assert(!r->spans_lost);
    ck_assert_uint_eq(r->spans[0].from, 4);
    ck_assert_uint_eq(r->spans[0].to, 6);
    ck_assert_uint_eq(r->spans[1].from, 8);
    ck_assert_uint_eq(r->spans[1].to, 10);
    /* in a macro it is not known where its text goes */
    ck_assert(
        render(r, "{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}a{{ f() }}", "{}", &st));
    ck_assert(r->spans_lost);
    assert_ok(&st);
    lm_jinja_run_free(r);
}
END_TEST

/* All sources cut off anywhere are refused or rendered, and leave nothing behind that hurts. */
START_TEST(cut_sources)
{
    lm_jinja_run *r = new_run();
    for (size_t i = 0; i < sizeof renderings / sizeof *renderings; i++) {
        size_t len = strlen(renderings[i].template);
        for (size_t n = 0; n < len; n++) {
            lm_status st = LM_STATUS_INIT;
            char *cut = lm_strndup(renderings[i].template, n);
            render(r, cut, talk, &st);
            free(cut);
        }
    }
    lm_jinja_run_free(r);
}
END_TEST

/* A format is a fact: its text for one conversation, and what of it carries loss (between « and »). */
START_TEST(named_templates)
{
    static const char conversation[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U\"},"
        "{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":\"V\"},"
        "{\"role\":\"assistant\",\"content\":\"B\"}],\"add_generation_prompt\":false}";
    static const struct {
        const char *name, *text;
    } formats[] = {
        {"chatml", "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>"
                   "assistant\n«A<|im_end|>\n»"
                   "<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n«B<|im_end|>\n»"},
        {"llama2", "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] «A </s>»<s>[INST] V [/INST] «B </s>»"},
        {"llama3",
         "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
         "<|end_header_id|>\n\nU<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n«A<|eot_id|>»"
         "<|start_header_id|>user<|end_header_id|>\n\nV<|eot_id|><|start_header_id|>assistant"
         "<|end_header_id|>\n\n«B<|eot_id|>»"},
        {"mistral", "<s>[INST] S\n\nU[/INST] «A</s>»[INST] V[/INST] «B</s>»"},
        {"gemma", "<bos><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\n«A<end_of_turn>\n»"
                  "<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n«B<end_of_turn>\n»"},
        {"zephyr", "<|system|>\nS</s>\n<|user|>\nU</s>\n<|assistant|>\n«A</s>\n»<|user|>\nV</"
                   "s>\n<|assistant|>\n«B</s>\n»"},
        {"phi3", "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\n«A<|end|>\n»<|user|>\nV<|end|>\n"
                 "<|assistant|>\n«B<|end|>\n»"},
        {"phi4",
         "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>U<|im_end|><|im_start|>assistant"
         "<|im_sep|>«A<|im_end|>»<|im_start|>user<|im_sep|>V<|im_end|><|im_start|>assistant<|im_sep|>«B<|im_"
         "end|>»"},
        {"granite",
         "<|start_of_role|>system<|end_of_role|>S<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>U"
         "<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>«A<|end_of_text|>\n»<|start_of_role|>user"
         "<|end_of_role|>V<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>«B<|end_of_text|>\n»"},
        {"exaone", "[|system|]S[|endofturn|]\n[|user|]U\n[|assistant|]«A[|endofturn|]\n»[|user|]V\n"
                   "[|assistant|]«B[|endofturn|]\n»"},
        {"deepseek", "<｜begin▁of▁sentence｜>S<｜User｜>U<｜Assistant｜>«A<｜end▁of▁sentence｜>»"
                     "<｜User｜>V<｜Assistant｜>«B<｜end▁of▁sentence｜>»"},
        {"command-r",
         "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>S<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>"
         "<|USER_TOKEN|>U<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
         "«A<|END_OF_TURN_TOKEN|>»"
         "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>V<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
         "«B<|END_OF_TURN_TOKEN|>»"},
        {"alpaca", "S\n\n### Instruction:\nU\n\n### Response:\n«A</s>»\n\n### Instruction:\nV\n\n### "
                   "Response:\n«B</s>»"},
        {"vicuna", "<s>S USER: U ASSISTANT: «A</s>»USER: V ASSISTANT: «B</s>»"},
        {"plain", "SU«A»V«B»"},
    };
    size_t known = 0;
    lm_jinja_run *r = new_run();
    for (const lm_named_template *t = lm_named_templates; t->name; t++)
        known++;
    ck_assert_uint_eq(known, sizeof formats / sizeof *formats);
    for (size_t i = 0; i < known; i++) {
        const lm_named_template *t = lm_named_template_find(formats[i].name);
        lm_status st = LM_STATUS_INIT;
        ck_assert_msg(t && render(r, t->source, conversation, &st), "%s: %s", formats[i].name, st.message);
        lm_buf marked = {0};
        size_t at = 0;
        for (size_t k = 0; k < r->span_count; k++) {
            lm_buf_append(&marked, r->out.data + at, r->spans[k].from - at);
            lm_buf_puts(&marked, "«");
            lm_buf_append(&marked, r->out.data + r->spans[k].from, r->spans[k].to - r->spans[k].from);
            lm_buf_puts(&marked, "»");
            at = r->spans[k].to;
        }
        lm_buf_append(&marked, r->out.data + at, r->out.len - at);
        ck_assert_msg(lm_str_is(lm_buf_str(&marked), formats[i].text), "%s:\n%s\ninstead of\n%s",
                      formats[i].name, lm_buf_cstr(&marked), formats[i].text);
        lm_buf_free(&marked);
    }
    lm_jinja_run_free(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("jinja");
    TCase *c = tcase_create("templates");
    tcase_add_test(c, what_jinja_renders);
    tcase_add_test(c, what_is_refused);
    tcase_add_test(c, where_generation_stands);
    tcase_add_test(c, cut_sources);
    tcase_add_test(c, named_templates);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
