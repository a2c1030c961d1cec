#include "base/log.h"
#include "base/atomic.h"
#include "base/buffer.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char CLEAR_LINE[] = "\r\033[K";

static lm_level shown_level = LM_INFO;
static const char *program = "lmutils";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char standing[512]; /* what stands on the last line of the terminal */

void lm_log_level(lm_level level)
{
    shown_level = level;
}

bool lm_log_shows(lm_level level)
{
    return level <= shown_level;
}

const char *lm_program_name(void)
{
    return program;
}

void lm_program_name_set(const char *name)
{
    program = name;
}

static void write_stderr(const char *bytes, size_t n)
{
    lm_status st = LM_STATUS_INIT; /* there is nowhere left to say that standard error is closed */
    lm_write_all(STDERR_FILENO, bytes, n, "standard error", &st);
}

static void append_plain(lm_buf *line, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            lm_buf_printf(line, "\\x%02x", *p);
        else
            lm_buf_putc(line, (char)*p);
    }
}

void lm_log(lm_level level, const char *format, ...)
{
    if (!lm_log_shows(level))
        return;
    int saved = errno;
    lm_buf line = {0};
    va_list args;
    va_start(args, format);
    char *formatted = NULL;
    int n = vasprintf(&formatted, format, args);
    va_end(args);

    pthread_mutex_lock(&lock);
    if (standing[0])
        lm_buf_puts(&line, CLEAR_LINE);
    lm_buf_printf(&line, "%s: %s", program, level == LM_WARNING ? "warning: " : "");
    append_plain(&line, n < 0 ? format : formatted);
    lm_buf_putc(&line, '\n');
    lm_buf_puts(&line, standing);
    write_stderr(line.data, line.len);
    pthread_mutex_unlock(&lock);

    lm_buf_free(&line);
    free(formatted);
    errno = saved;
}

void lm_log_standing(const char *line)
{
    pthread_mutex_lock(&lock);
    bool stood = standing[0] != '\0';
    snprintf(standing, sizeof standing, "%s", line ? line : "");
    lm_buf out = {0};
    if (stood)
        lm_buf_puts(&out, CLEAR_LINE);
    lm_buf_puts(&out, standing);
    if (out.len)
        write_stderr(out.data, out.len);
    lm_buf_free(&out);
    pthread_mutex_unlock(&lock);
}
