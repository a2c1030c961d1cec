#include "train/tokenizer_files.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/model.h"
#include "text/tokenize/agreement.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds_tokenizer(const char *path)
{
    if (!path)
        return false;
    return lm_bundle_at(path) ? lm_model_has_tokenizer(path) : access(path, R_OK) == 0;
}

static void add_special(lm_tokenizer_source *s, int id)
{
    for (int i = 0; i < s->special_count; i++)
        if (s->special[i] == id)
            return;
    if (id >= 0 && s->special_count < (int)(sizeof s->special / sizeof *s->special))
        s->special[s->special_count++] = id;
}

static void take_info(lm_tokenizer_source *s, const lm_tokenizer_info *info)
{
    s->size = info->vocab_size > 0 && info->vocab_size < INT32_MAX ? (int)info->vocab_size : 0;
    s->mask_id = info->mask_id;
    s->cls_id = info->cls_id;
    s->sep_id = info->sep_id;
    const int ids[] = {info->pad_id, info->cls_id, info->sep_id, info->mask_id,
                       info->unk_id, info->bos_id, info->eos_id};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        add_special(s, ids[i]);
}

static void take_roles(lm_tokenizer_source *s, const lm_tokenizer *t)
{
    static const char *const roles[] = {"pad", "cls", "sep", "mask", "unk", "bos", "eos"};
    s->size = lm_tokenizer_size(t);
    s->mask_id = lm_tokenizer_role(t, "mask");
    s->cls_id = lm_tokenizer_role(t, "cls");
    s->sep_id = lm_tokenizer_role(t, "sep");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        add_special(s, lm_tokenizer_role(t, roles[i]));
}

/* Opens the tokenizer at `path` and holds it against the stream's. */
static bool compare(lm_tokenizer_source *s, const char *path, const lm_tokenizer_info *info, bool force,
                    lm_status *st)
{
    s->tokenizer = lm_tokenizer_open(path, st);
    if (!s->tokenizer)
        return false;
    take_roles(s, s->tokenizer);
    return lm_tokenizer_agrees(s->tokenizer, path, info, force, st);
}

bool lm_tokenizer_source_find(lm_tokenizer_source *out, const char *option, const char *model,
                              const lm_tokenizer_info *info, bool force, lm_status *st)
{
    memset(out, 0, sizeof *out);
    out->mask_id = out->cls_id = out->sep_id = -1;
    const char *path = NULL;
    if (option) {
        if (!holds_tokenizer(option))
            return lm_fail(st, LM_FAILED,
                           "%s: no tokenizer there: name a directory with tokenizer.json or vocab.txt",
                           option);
        path = option;
    } else if (holds_tokenizer(model)) {
        path = model;
    } else if (info->present && holds_tokenizer(info->path)) {
        path = info->path;
    }
    if (!info->present)
        lm_warn("the stream does not say which tokenizer made it: its ids are taken as they are");
    if (path) {
        out->path = lm_strdup(path);
        return compare(out, path, info, force, st);
    }
    if (info->present && info->path)
        return lm_fail(st, LM_FAILED,
                       "%s: the tokenizer that made the tokens is not there, and the model needs its "
                       "files: name it with --tokenizer DIR",
                       info->path);
    if (info->present)
        return lm_fail(st, LM_FAILED,
                       "the stream does not say where its tokenizer is, and the model needs its files: "
                       "name it with --tokenizer DIR");
    take_info(out, info);
    return true;
}

void lm_tokenizer_source_free(lm_tokenizer_source *s)
{
    lm_tokenizer_source_close(s);
    free(s->path);
    s->path = NULL;
}

void lm_tokenizer_source_close(lm_tokenizer_source *s)
{
    lm_tokenizer_free(s->tokenizer);
    s->tokenizer = NULL;
}

bool lm_tokenizer_source_copy(const lm_tokenizer_source *s, lm_bundle_writer *to, lm_status *st)
{
    if (!s->path)
        return true;
    if (lm_bundle_at(s->path))
        return lm_model_copy_tokenizer(s->path, to, st);
    lm_tokenizer *t = lm_tokenizer_open(s->path, st);
    bool ok = t && lm_tokenizer_write(t, to, st);
    lm_tokenizer_free(t);
    return ok;
}
