/* libFuzzer target: any bytes as a config.json. Getters take whatever is there, and what is printed is read
 * back and printed the same. */
#include "model/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_members(lm_config *c)
{
    static const char *const keys[] = {"hidden_size", "layer_norm_eps", "hidden_act",  "model_type",
                                       "use_cache",   "rope_theta",     "torch_dtype", "a"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_config_int(c, keys[i], 1);
        lm_config_failed(c, &st);
        lm_config_float(c, keys[i], 1);
        lm_config_failed(c, &st);
        lm_config_string(c, keys[i], "x");
        lm_config_failed(c, &st);
        lm_config_bool(c, keys[i], true);
        lm_config_failed(c, &st);
        lm_config_activation(c, keys[i], "gelu");
        lm_config_failed(c, &st);
        lm_config_has(c, keys[i]);
        lm_config_first(c, keys[i]);
    }
    for (int i = -1; i <= lm_config_labels(c) && i < 100; i++) {
        const char *label = lm_config_label(c, i);
        must((label != NULL) == (i >= 0 && i < lm_config_labels(c)));
        must(!label || lm_config_label_id(c, lm_str_of(label)) >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse((lm_str){(const char *)data, size}, "fuzz", &st);
    must((c != NULL) == lm_ok(&st));
    if (!c)
        return 0;
    read_members(c);
    lm_buf once = {0}, twice = {0};
    lm_config_print(c, &once);
    lm_config *again = lm_config_parse(lm_buf_str(&once), "printed", &st);
    must(again != NULL);
    lm_config_print(again, &twice);
    must(lm_str_equal(lm_buf_str(&once), lm_buf_str(&twice)));
    lm_config_complete(c, "{\"hidden_size\":3}");
    lm_config_failed(c, &st); /* of classes that are too many, again */
    lm_status_clear(&st);
    lm_config_set_int(c, "a", 1);
    lm_config_set_float(c, "b", 0.5);
    lm_config_set_bool(c, "c", true);
    lm_config_set_string(c, "d", "x");
    lm_config_set_strings(c, "architectures", (const char *[]){"A", "B"}, 2);
    lm_config_remove(c, "e");
    must(lm_config_int(c, "a", 0) == 1 && strcmp(lm_config_first(c, "architectures"), "A") == 0);
    must(*(char *)lm_config_alloc(c, 1) == 0);
    if (lm_config_labels(c) > 0 && lm_config_labels(c) < 50) {
        const char *names[50];
        for (int i = 0; i < lm_config_labels(c); i++)
            names[i] = lm_config_label(c, i);
        lm_config_set_labels(c, names, lm_config_labels(c));
    }
    lm_buf_free(&once);
    lm_buf_free(&twice);
    lm_config_free(again);
    lm_config_free(c);
    return 0;
}
