#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool lm_vfail(lm_status *st, int code, const char *format, va_list args)
{
    if (st->code != LM_OK)
        return false;
    st->code = code;
    vsnprintf(st->message, sizeof st->message, format, args);
    return false;
}

bool lm_fail(lm_status *st, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    lm_vfail(st, code, format, args);
    va_end(args);
    return false;
}

bool lm_fail_errno(lm_status *st, int code, const char *format, ...)
{
    int saved = errno;
    if (st->code != LM_OK)
        return false;
    va_list args;
    va_start(args, format);
    lm_vfail(st, code, format, args);
    va_end(args);
    size_t len = strlen(st->message);
    snprintf(st->message + len, sizeof st->message - len, ": %s", strerror(saved));
    return false;
}

bool lm_fail_prefix(lm_status *st, const char *prefix)
{
    if (st->code == LM_OK)
        return false;
    char message[LM_MESSAGE_MAX];
    memcpy(message, st->message, sizeof message);
    int n = snprintf(st->message, sizeof st->message, "%s: ", prefix);
    if (n > 0 && (size_t)n < sizeof st->message)
        snprintf(st->message + n, sizeof st->message - (size_t)n, "%s", message);
    return false;
}

void lm_status_clear(lm_status *st)
{
    st->code = LM_OK;
    st->message[0] = '\0';
}
