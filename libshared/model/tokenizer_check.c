#include "base/log.h"
#include "model/model.h"
#include "text/tokenize/agreement.h"

bool lm_model_check_tokenizer(const lm_model *m, const char *tokenizer, const lm_tokenizer_info *info,
                              bool force, lm_status *st)
{
    const char *dir = tokenizer ? tokenizer : m->path;
    if (!info->present || !info->has_xxh3) {
        lm_warn("the stream does not say which tokenizer made it: not checked");
        return true;
    }
    if (!dir || (!tokenizer && !lm_model_has_tokenizer(dir))) {
        lm_warn("%s: no tokenizer beside the model: that of the stream is not checked",
                dir ? dir : "new model");
        return true;
    }
    lm_tokenizer *t = lm_tokenizer_open(dir, st);
    if (!t)
        return false;
    bool agrees = lm_tokenizer_agrees(t, dir, info, force, st);
    lm_tokenizer_free(t);
    return agrees;
}
