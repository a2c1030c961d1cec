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
    size_t room = sizeof st->message - 1, before = strlen(prefix), after = strlen(st->message);
    if (before + 2 > room)
        return false; /* what is wrong says more than where */
    if (after > room - before - 2)
        after = room - before - 2;
    memmove(st->message + before + 2, st->message, after);
    memcpy(st->message, prefix, before);
    memcpy(st->message + before, ": ", 2);
    st->message[before + 2 + after] = '\0';
    return false;
}

void lm_status_clear(lm_status *st)
{
    st->code = LM_OK;
    st->message[0] = '\0';
}
