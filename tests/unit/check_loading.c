/* Models are found, mapped and written, in all their forms; what pipelines cannot see of it. */
#include "unit.h"
#include "scratch.h"

#include "base/memory.h"
#include "model/model.h"
#include "model/weights.h"
#include "stream/bundle_internal.h"
#include "stream/lms.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static lm_model *open_model(const char *path, const lm_model_options *options, lm_status *st)
{
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    return lm_model_open(path, options, st);
}

/* Writes a model with these options; the directory, malloced. */
static char *written(lm_model *m, const lm_save_options *options)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    lm_bundle_writer *w = lm_bundle_into(dir);
    ck_assert(lm_model_write_config(m, w, options, &st) && lm_model_write_weights(m, w, options, &st));
    lm_bundle_publish(w, &st);
    assert_ok(&st);
    return dir;
}

static const char bert[] = "{\"model_type\":\"bert\",\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                           "\"intermediate_size\":12,\"vocab_size\":11,\"max_position_embeddings\":6}";

static lm_model *create(const char *config, const char *task)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_create(lm_config_parse(lm_str_of(config), "config.json", &st),
                                  &(lm_model_options){.task = task, .seed = 5}, &st);
    assert_ok(&st);
    return m;
}

/* The same tensors under other names. */
static char *renamed(lm_model *m, const char *(*rename)(const char *, lm_buf *))
{
    lm_status st = LM_STATUS_INIT;
    size_t n = lm_params_count(m->params);
    lm_safetensor *t = lm_calloc(n, sizeof *t);
    lm_buf *names = lm_calloc(n, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        lm_param *p = lm_params_at(m->params, i);
        lm_param_ready(p, &st);
        t[i] = (lm_safetensor){.name = rename(p->name, &names[i]), .dtype = LM_F32, .shape = p->shape, .data = p->value,
                               .bytes = p->elements * sizeof(float)};
    }
    char *dir = scratch_new();
    lm_bundle_writer *w = lm_bundle_into(dir);
    ck_assert(lm_model_write_config(m, w, NULL, &st) && lm_bundle_put_tensors(w, t, n, 0, &st));
    lm_bundle_publish(w, &st);
    for (size_t i = 0; i < n; i++)
        lm_buf_free(&names[i]);
    free(names);
    free(t);
    return dir;
}

/* ------------------------------------------------------------------ names */

static const char *without_body(const char *name, lm_buf *out)
{
    lm_buf_puts(out, strncmp(name, "bert.", 5) == 0 ? name + 5 : name);
    return lm_buf_cstr(out);
}

static const char *with_body(const char *name, lm_buf *out)
{
    lm_buf_printf(out, "bert.%s", name);
    return lm_buf_cstr(out);
}

static const char *with_wrappers(const char *name, lm_buf *out)
{
    lm_buf_printf(out, "_orig_mod.module.%s", name);
    return lm_buf_cstr(out);
}

START_TEST(prefixes_come_and_go)
{
    static const struct {
        const char *task;
        const char *(*rename)(const char *, lm_buf *);
    } cases[] = {{"classify", without_body}, {"mlm", without_body},    {"base", with_body},
                 {"classify", with_wrappers}, {"base", with_wrappers}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_model *m = create(bert, cases[i].task);
        char *plain = written(m, NULL), *other = renamed(m, cases[i].rename);
        lm_model_free(m);
        m = open_model(other, NULL, &st);
        assert_ok(&st);
        char *again = written(m, NULL);
        assert_same_file(plain, again, "model.safetensors");
        lm_model_free(m);
        scratch_discard(plain);
        scratch_discard(other);
        scratch_discard(again);
    }
}
END_TEST

/* What opening a directory says on standard error; malloced. */
static char *said_of(const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    char *text = lm_calloc(1, 4096);
    FILE *f = tmpfile();
    int saved = dup(STDERR_FILENO);
    ck_assert(f && dup2(fileno(f), STDERR_FILENO) >= 0);
    lm_model *m = open_model(dir, NULL, &st);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_ok(&st);
    lm_model_free(m);
    rewind(f);
    size_t n = fread(text, 1, 4095, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* The word embedding is stored under the decoder's name, too, as older checkpoints have it: equal, or trained apart. */
START_TEST(ties_that_differ_are_told_of)
{
    for (int apart = 0; apart < 3; apart++) {
        lm_status st = LM_STATUS_INIT;
        lm_model *m = create(bert, "mlm");
        size_t n = lm_params_count(m->params);
        lm_safetensor *t = lm_calloc(n + 1, sizeof *t);
        float *other = NULL;
        for (size_t i = 0; i < n; i++) {
            const lm_param *p = lm_params_at(m->params, i);
            t[i] = (lm_safetensor){.name = p->name, .dtype = LM_F32, .shape = p->shape, .data = p->value,
                                   .bytes = p->elements * sizeof(float)};
            if (strcmp(p->name, "bert.embeddings.word_embeddings.weight") != 0)
                continue;
            t[n] = t[i];
            t[n].name = "cls.predictions.decoder.weight";
            t[n].data = other = memcpy(lm_malloc(t[n].bytes, 1), t[n].data, t[n].bytes);
            if (apart == 1)
                other[p->elements - 1] += 1;
            if (apart == 2)
                t[n].shape = (lm_shape){1, {(int64_t)p->elements}};
        }
        char *dir = scratch_new();
        lm_bundle_writer *w = lm_bundle_into(dir);
        ck_assert(lm_model_write_config(m, w, NULL, &st) && lm_bundle_put_tensors(w, t, n + 1, 0, &st));
        lm_bundle_publish(w, &st);
        char *said = said_of(dir);
        ck_assert_msg(!apart == !strstr(said, "cls.predictions.decoder.weight is tied to bert.embeddings.word_embeddings.weight, "
                                              "and stored with other values"),
                      "%d: %s", apart, said);
        free(said);
        free(other);
        free(t);
        lm_model_free(m);
        scratch_discard(dir);
    }
}
END_TEST

/* ------------------------------------------------------------------ shards and types */

/* transformers cut this model at 60 kB; we cut it there, too. */
START_TEST(shards_are_those_of_transformers)
{
    char *from = data_path("goldens/models/llama-sharded");
    if (!from)
        return;
    lm_status st = LM_STATUS_INIT;
    lm_save_options save = {0};
    ck_assert(lm_parse_shard_size("60KB", &save.shard_bytes, &st) && save.shard_bytes == 60000);
    lm_model *m = open_model(from, NULL, &st);
    assert_ok(&st);
    char *to = written(m, &save);
    assert_same_file(from, to, "config.json");
    assert_same_file(from, to, "model.safetensors.index.json");
    assert_same_file(from, to, "model-00001-of-00002.safetensors");
    assert_same_file(from, to, "model-00002-of-00002.safetensors");
    /* what a model with a language head has in transformers 4 when it is saved */
    lm_str text = scratch_read(to, "generation_config.json");
    ck_assert_str_eq(text.data, "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n"
                                "  \"transformers_version\": \"" LM_TRANSFORMERS_VERSION "\"\n}\n");
    free((char *)text.data);
    lm_model_free(m);
    scratch_discard(to);
    free(from);
}
END_TEST

/* Tensors of some sizes, cut at a limit: what the index says. */
static void assert_cut(const size_t *kilobytes, size_t count, size_t limit, const int *shards, int of)
{
    lm_status st = LM_STATUS_INIT;
    lm_safetensor *t = lm_calloc(count, sizeof *t);
    char (*names)[24] = lm_calloc(count, sizeof *names);
    void *zeros = lm_calloc(64, 1024);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof *names, "t%zu", i);
        t[i] = (lm_safetensor){.name = names[i], .dtype = LM_U8, .shape = {1, {(int64_t)kilobytes[i] * 1024}}, .data = zeros,
                               .bytes = kilobytes[i] * 1024};
    }
    char *dir = scratch_new();
    lm_bundle_writer *w = lm_bundle_into(dir);
    lm_bundle_put_tensors(w, t, count, limit * 1024, &st);
    lm_bundle_publish(w, &st);
    assert_ok(&st);
    lm_str index = scratch_read(dir, "model.safetensors.index.json");
    for (size_t i = 0; i < count; i++) {
        char *line = lm_format("\"t%zu\": \"model-%05d-of-%05d.safetensors\"", i, shards[i], of);
        ck_assert_msg(strstr(index.data, line), "no %s in %s", line, index.data);
        free(line);
    }
    free((char *)index.data);
    scratch_discard(dir);
    free(zeros);
    free(names);
    free(t);
}

START_TEST(shards_are_cut_in_order)
{
    assert_cut((const size_t[]){4, 4, 4, 4}, 4, 8, (const int[]){1, 1, 2, 2}, 2);
    assert_cut((const size_t[]){4, 5, 4, 4}, 4, 8, (const int[]){1, 2, 3, 3}, 3);
    /* one that is too large by itself goes before the shard that is being filled */
    assert_cut((const size_t[]){4, 20, 4, 1}, 4, 8, (const int[]){2, 1, 2, 3}, 3);
    assert_cut((const size_t[]){20, 30}, 2, 8, (const int[]){1, 2}, 2);
    lm_status st = LM_STATUS_INIT;
    uint64_t bytes;
    ck_assert(lm_parse_shard_size("5GB", &bytes, &st) && bytes == 5000000000u);
    ck_assert(lm_parse_shard_size("5GiB", &bytes, &st) && bytes == (uint64_t)5 << 30);
    ck_assert(lm_parse_shard_size("1.5MB", &bytes, &st) && bytes == 1500000);
    ck_assert(lm_parse_shard_size("512M", &bytes, &st) && bytes == 512 << 20);
    ck_assert(lm_parse_shard_size("0", &bytes, &st) && bytes == 0);
    static const char *const bad[] = {"", "GB", "-1GB", "5XB", "1e999GB", "5 GB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!lm_parse_shard_size(bad[i], &bytes, &st), "accepted: %s", bad[i]);
        assert_says(&st, "a size is expected");
    }
}
END_TEST

START_TEST(generation_settings_go_along)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(bert, "mlm");
    char *dir = written(m, NULL), *path = lm_format("%s/generation_config.json", dir);
    ck_assert(access(path, F_OK) != 0); /* a masked model writes no text */
    lm_model_free(m);
    scratch_discard(dir);
    free(path);

    char *from = data_path("goldens/models/llama-gqa");
    if (!from)
        return;
    m = open_model(from, NULL, &st);
    assert_ok(&st);
    dir = written(m, NULL);
    static const char own[] = "{\"top_p\": 0.9}\n";
    scratch_write(dir, "generation_config.json", own, strlen(own));
    lm_model_free(m);
    m = open_model(dir, NULL, &st);
    char *again = written(m, NULL);
    assert_same_file(dir, again, "generation_config.json");
    lm_model_free(m);
    scratch_discard(again);
    m = open_model(dir, &(lm_model_options){.task = "classify", .allow_missing_head = true, .quiet = true}, &st);
    assert_ok(&st);
    again = written(m, NULL);
    path = lm_format("%s/generation_config.json", again);
    ck_assert(access(path, F_OK) != 0);
    lm_model_free(m);
    scratch_discard(again);
    scratch_discard(dir);
    free(path);
    free(from);
}
END_TEST

/* ------------------------------------------------------------------ what opening costs */

/* A number of kB in a line of a file of /proc, summed over its lines. */
static long proc_sum(const char *file, const char *within, const char *key)
{
    FILE *f = fopen(file, "r");
    char line[4096];
    long sum = 0, kb;
    bool inside = !within;
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        if (within && strchr(line, '-') && strchr(line, ' ') && !strstr(line, " kB"))
            inside = strstr(line, within) != NULL;
        if (inside && strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), " %ld", &kb) == 1)
            sum += kb;
    }
    fclose(f);
    return sum;
}

/* Bytes that are NULL make a hole. */
static bool sparse(void *context, const void *bytes, size_t n, lm_status *st)
{
    int fd = *(const int *)context;
    (void)st;
    return bytes ? write(fd, bytes, n) == (ssize_t)n : lseek(fd, (off_t)n, SEEK_CUR) >= 0;
}

/* A model of 512 MB whose embedding is a hole in the file. */
static char *large_model(void)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(bert, "base");
    char *dir = scratch_new(), *path = lm_format("%s/model.safetensors", dir);
    lm_config_set_int(m->config, "vocab_size", 16000000);
    lm_bundle_writer *w = lm_bundle_into(dir);
    lm_model_write_config(m, w, NULL, &st);
    lm_bundle_publish(w, &st);
    size_t n = lm_params_count(m->params);
    lm_safetensor *t = lm_calloc(n, sizeof *t);
    for (size_t i = 0; i < n; i++) {
        lm_param *p = lm_params_at(m->params, i);
        bool words = strcmp(p->name, "embeddings.word_embeddings.weight") == 0;
        t[i] = (lm_safetensor){.name = p->name, .dtype = LM_F32, .shape = p->shape, .data = words ? NULL : p->value,
                               .bytes = p->elements * sizeof(float)};
        if (words)
            t[i].shape.size[0] = 16000000;
        if (words)
            t[i].bytes = (size_t)16000000 * 8 * sizeof(float);
    }
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert(lm_safetensors_write_to(sparse, &fd, path, t, n, &st));
    close(fd);
    free(t);
    free(path);
    lm_model_free(m);
    return dir;
}

START_TEST(large_models_open_at_once)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = large_model();
    long before = proc_sum("/proc/self/status", NULL, "VmRSS:");
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    lm_model *m = open_model(dir, NULL, &st);
    assert_ok(&st);
    for (size_t i = 0; i < lm_params_count(m->params); i++)
        ck_assert(lm_param_ready(lm_params_at(m->params, i), &st));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    ck_assert_msg(seconds < 0.3, "%.3f s of processor time to open it", seconds); /* milliseconds, without a sanitizer */
    ck_assert_int_lt(proc_sum("/proc/self/status", NULL, "VmRSS:") - before, 40000);
    /* pages that are looked at are the file's, which another process sees in the same memory */
    const lm_param *p = lm_params_find(m->params, "embeddings.word_embeddings.weight");
    float sum = 0;
    for (size_t i = 0; i < 8 << 20; i += 1024)
        sum += p->value[i];
    ck_assert(sum == 0);
    ck_assert_int_gt(proc_sum("/proc/self/smaps", "model.safetensors", "Rss:"), 16000);
    ck_assert_int_eq(proc_sum("/proc/self/smaps", "model.safetensors", "Anonymous:"), 0);
    lm_model_free(m);
    scratch_discard(dir);
}
END_TEST

/* ------------------------------------------------------------------ archives and streams */

/* Writes a model to dir/name in the form that the name asks for. */
static char *packed(lm_model *m, const char *dir, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/%s", dir, name);
    lm_bundle_writer *w = lm_bundle_create(path, NULL, &st);
    assert_ok(&st);
    ck_assert(lm_model_write_config(m, w, NULL, &st) && lm_model_write_weights(m, w, NULL, &st));
    ck_assert(lm_bundle_publish(w, &st));
    return path;
}

START_TEST(what_can_stay_stays_where_it_is)
{
    static const struct {
        const char *name;
        bool in_place;
    } forms[] = {{"a.tar", true}, {"a.tar.zst", false}, {"a.zip", false}, {"a.lms", true}};
    lm_model *m = create(bert, "mlm");
    char *plain = written(m, NULL), *dir = scratch_new();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        lm_status st = LM_STATUS_INIT;
        char *path = packed(m, dir, forms[i].name);
        lm_bundle *b = lm_bundle_open(path, &st);
        assert_ok(&st);
        ck_assert_ptr_eq(lm_bundle_open(path, &st), b); /* it is read once */
        lm_bundle_close(b);
        ck_assert_uint_eq(b->store_count, strcmp(forms[i].name, "a.lms") == 0); /* weights that nobody has asked for are not unpacked */
        lm_model *again = open_model(path, NULL, &st);
        assert_ok(&st);
        ck_assert((b->store_count == 0 || !b->stores[0].name) == forms[i].in_place);
        const char *data = lm_params_at(again->params, 0)->data, *whole = b->whole.bytes;
        ck_assert((whole && data >= whole && data < whole + b->whole.size) == forms[i].in_place);
        char *out = written(again, NULL);
        assert_same_file(plain, out, "model.safetensors");
        assert_same_file(plain, out, "config.json");
        lm_model_free(again);
        lm_bundle_close(b);
        scratch_discard(out);
        free(path);
    }
    lm_model_free(m);
    scratch_discard(plain);
    scratch_discard(dir);
}
END_TEST

/* A file that has changed is looked at again. */
START_TEST(new_files_are_read_anew)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *one = create(bert, "mlm"), *two = create(bert, "classify");
    char *dir = scratch_new(), *path = packed(one, dir, "m.tar");
    lm_bundle *b = lm_bundle_open(path, &st);
    assert_ok(&st);
    free(packed(two, dir, "m.tar"));
    lm_model *m = open_model(path, NULL, &st);
    assert_ok(&st);
    ck_assert_str_eq(m->head->name, "classify");
    lm_bundle_close(b);
    lm_model_free(m);
    lm_model_free(one);
    lm_model_free(two);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* Tensors above 2^30 bytes come in parts; so may others. */
START_TEST(parts_are_put_together)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new(), *path = lm_format("%s/parts.lms", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    lm_lms_writer *w = lm_lms_writer_new(fd, path, LM_KIND_MODEL, NULL, NULL, NULL, &st);
    json_t *index = json_loads("{\"index\":{\"w\":{\"dtype\":\"F32\",\"shape\":[5,2]},\"e\":{\"dtype\":\"F16\",\"shape\":[0]},"
                               "\"s\":{\"dtype\":\"F64\",\"shape\":[]}}}", 0, NULL);
    lm_lms_write(w, index, NULL, 0, &st);
    float rows[10];
    for (int i = 0; i < 10; i++)
        rows[i] = (float)i;
    static const int cuts[] = {0, 2, 3, 5};
    for (int i = 0; i < 3; i++) {
        int n = cuts[i + 1] - cuts[i];
        json_t *header = json_pack("{s:[i, i, i]}", "part", cuts[i], n, 5);
        lm_column c = {.name = "w", .dtype = LM_F32, .shape = {2, {n, 2}}, .data = rows + 2 * cuts[i],
                       .bytes = (size_t)n * 8};
        lm_lms_write(w, header, &c, 1, &st);
        json_decref(header);
    }
    double one = 1;
    const lm_column rest[] = {{.name = "e", .dtype = LM_F16, .shape = {1, {0}}, .data = ""},
                              {.name = "s", .dtype = LM_F64, .data = &one, .bytes = sizeof one}};
    json_t *empty = json_object();
    lm_lms_write(w, empty, rest, 2, &st);
    ck_assert_msg(lm_lms_writer_close(w, &st), "%s", st.message);
    lm_lms_writer_free(w);
    close(fd);
    lm_bundle *b = lm_bundle_open(path, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_bundle_tensors(b), 3);
    const lm_safetensor *t = lm_bundle_tensor(b, 0);
    ck_assert(strcmp(t->name, "w") == 0 && t->bytes == sizeof rows && memcmp(t->data, rows, sizeof rows) == 0);
    ck_assert(lm_bundle_tensor(b, 1)->bytes == 0 && *(const double *)lm_bundle_tensor(b, 2)->data == 1);
    lm_bundle_close(b);
    json_decref(empty);
    json_decref(index);
    free(path);
    scratch_discard(dir);
}
END_TEST

START_TEST(names_say_what_is_made)
{
    static const struct {
        const char *path, *title;
        lm_bundle_form form;
    } cases[] = {{"news", "news", LM_BUNDLE_DIRECTORY},        {"a/news/", "news", LM_BUNDLE_DIRECTORY},
                 {"a/news.tar.zst", "news", LM_BUNDLE_ARCHIVE}, {"news.tgz", "news", LM_BUNDLE_ARCHIVE},
                 {"v1.2.zip", "v1.2", LM_BUNDLE_ARCHIVE},       {"-", "model", LM_BUNDLE_STREAM},
                 {"news.lms", "news", LM_BUNDLE_STREAM},        {".tar", ".tar", LM_BUNDLE_DIRECTORY},
                 {"a.tar.bz3", "a.tar.bz3", LM_BUNDLE_DIRECTORY}, {"/", "/", LM_BUNDLE_DIRECTORY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *title = lm_bundle_title(cases[i].path);
        ck_assert_int_eq(lm_bundle_form_of(cases[i].path), cases[i].form);
        if (strcmp(cases[i].path, "/") != 0)
            ck_assert_str_eq(title, cases[i].title);
        free(title);
    }
}
END_TEST

START_TEST(conversion_rounds_and_refuses)
{
    lm_status st = LM_STATUS_INIT;
    float values[] = {0.1f, -65504, 1e-8f, INFINITY, NAN};
    lm_safetensor t = {.name = "w", .dtype = LM_F16, .shape = {1, {5}}, .data = values, .bytes = 10, .converted = true,
                       .from = LM_F32};
    uint16_t out[5];
    ck_assert(lm_safetensor_convert(&t, 0, 5, out, &st)); /* what was infinite stays so */
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(out[i], lm_f32_to_f16(values[i]));
    values[1] = 65520;
    ck_assert(!lm_safetensor_convert(&t, 0, 5, out, &st));
    assert_says(&st, "too large for F16");
    t.dtype = LM_BF16;
    ck_assert(lm_safetensor_convert(&t, 1, 2, out, &st));
    ck_assert_uint_eq(out[0], lm_f32_to_bf16(values[1]));
    t.dtype = LM_I32;
    ck_assert(!lm_safetensor_convert(&t, 0, 1, out, &st));
    assert_says(&st, "cannot become");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("loading");
    TCase *c = tcase_create("loading");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, prefixes_come_and_go);
    tcase_add_test(c, ties_that_differ_are_told_of);
    tcase_add_test(c, shards_are_those_of_transformers);
    tcase_add_test(c, shards_are_cut_in_order);
    tcase_add_test(c, generation_settings_go_along);
    tcase_add_test(c, large_models_open_at_once);
    tcase_add_test(c, what_can_stay_stays_where_it_is);
    tcase_add_test(c, new_files_are_read_anew);
    tcase_add_test(c, parts_are_put_together);
    tcase_add_test(c, names_say_what_is_made);
    tcase_add_test(c, conversion_rounds_and_refuses);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
