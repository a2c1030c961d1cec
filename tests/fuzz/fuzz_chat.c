/* Chat templates from anywhere, and conversations from anywhere: refused or rendered, never worse.
 *
 * An input whose first byte is even is a template and, behind a line "====", the JSON object of its
 * variables. One whose first byte is odd is a record for a template by name (which one, the second byte
 * says), or for the template of the tokenizer, which marks nothing. */
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/chat/chat_internal.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char variables[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":\"hi \\uac00\"},"
    "{\"role\":\"assistant\",\"content\":\"<think>x</think> "
    "yes\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
    "\"arguments\":{\"a\":[1,2.5,null]}}}]}],\"tools\":null,\"add_generation_prompt\":true,\"bos_token\":\"<"
    "s>\"}";

static void render(lm_str input)
{
    static const lm_jinja_limits limits = {.steps = 200000, .memory = 16 << 20, .output = 1 << 20};
    const char *parted = memmem(input.data, input.len, "\n====\n", 6);
    lm_str source = {input.data, parted ? (size_t)(parted - input.data) : input.len},
           json = lm_str_of(variables), value;
    if (parted)
        json = (lm_str){parted + 6, input.len - source.len - 6};
    lm_json j = lm_json_over(json);
    if (!lm_utf8_valid(json.data, json.len) || !lm_json_value(&j, &value) || value.data[0] != '{')
        value = lm_str_of(variables);
    lm_status st = LM_STATUS_INIT;
    lm_jinja *t = lm_jinja_parse(source, "template", &st);
    lm_jinja_run *r = lm_jinja_run_new(&limits);
    r->now = 1700000000;
    r->utc = true;
    for (int i = 0; t && i < 2; i++) {
        lm_status_clear(&st);
        lm_jinja_run_reset(r, &st);
        lm_value v = lm_value_from_json(&r->memory, value);
        if (!lm_ok(&st) || !lm_jinja_render(t, r, v, &st))
            break;
        for (size_t k = 0, at = 0; k < r->span_count; at = r->spans[k++].from)
            if (r->spans[k].from > r->spans[k].to || r->spans[k].to > r->out.len ||
                (k && r->spans[k].to < at))
                __builtin_trap();
    }
    lm_jinja_run_free(r);
    lm_jinja_free(t);
}

static lm_tokenizer *tokenizer(void)
{
    static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhi\nyes\n<\n>\n|\na\n##b\n";
    static lm_tokenizer *t;
    lm_status st = LM_STATUS_INIT;
    json_t *config = json_loads(
        "{\"chat_template\":\"{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}[SEP]{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}\",\"eos_token\":\"[SEP]\"}",
        0, NULL);
    if (!t)
        t = lm_tokenizer_from_bytes(lm_str_of(vocabulary), config, NULL, NULL, "vocab.txt", &st);
    else
        json_decref(config);
    return t;
}

/* The members of an object as the fields of a record. */
static size_t fields_of(lm_str json, lm_field *fields, size_t room, lm_buf *names)
{
    lm_json j = lm_json_over(json);
    lm_str name, value;
    bool first = true;
    size_t n = 0;
    lm_buf_reserve(names, json.len); /* so that it does not move */
    lm_json_enter(&j, '{');
    while (n < room && lm_json_member(&j, &first, &name, &value) > 0) {
        size_t at = names->len;
        lm_json_unquote(name, names);
        fields[n++] = (lm_field){{names->data + at, names->len - at}, value};
    }
    return n;
}

static void encode(int which, lm_str input)
{
    lm_json j = lm_json_over(input);
    lm_str value;
    lm_status st = LM_STATUS_INIT;
    const lm_tokenizer *t = tokenizer();
    if (!t || !lm_utf8_valid(input.data, input.len) || !lm_json_value(&j, &value) || value.data[0] != '{')
        return;
    const char *names[32] = {""};
    int count = 1;
    while (lm_named_templates[count - 1].name && count < 32) {
        names[count] = lm_named_templates[count - 1].name;
        count++;
    }
    lm_field fields[16];
    lm_buf text = {0};
    lm_text_record record = {
        .fields = fields, .field_count = fields_of(value, fields, 16, &text), .file = "input"};
    lm_chat_options options = {
        .template = names[which % count], .drop_think = which & 64, .generation_prompt = which & 128};
    lm_chat *c = lm_chat_open(&options, t, ".", &st);
    lm_chat_worker *w = c ? lm_chat_worker_new(c) : NULL;
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding out = {0};
    lm_encode_options o = {.max_length = which & 32 ? 6 : 0};
    if (w && lm_chat_encode(w, e, &record, &o, &out, &st)) {
        bool any = out.chat->preference || options.generation_prompt || out.chat->left_out;
        for (int i = 0; i < out.len; i++)
            any |= out.masked && out.loss_mask[i];
        if (!any) /* never a silent mask of zeros */
            __builtin_trap();
    }
    lm_encoding_free(&out);
    lm_encoder_free(e);
    lm_chat_worker_free(w);
    lm_chat_free(c);
    lm_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lm_log_level(LM_ERROR);
    if (size < 2)
        return 0;
    lm_str rest = {(const char *)bytes + 2, size - 2};
    if (bytes[0] & 1)
        encode(bytes[1], rest);
    else
        render(rest);
    return 0;
}
