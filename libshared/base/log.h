/* Messages for people, on standard error: `program: text`. One event is one line, written at once. */
#ifndef LM_BASE_LOG_H
#define LM_BASE_LOG_H

#include <stdbool.h>

typedef enum lm_level { LM_ERROR, LM_WARNING, LM_INFO, LM_DEBUG } lm_level;

/* -q shows errors and warnings, the default information too, -v debugging. */
void lm_log_level(lm_level level);
bool lm_log_shows(lm_level level);
const char *lm_program_name(void);
void lm_program_name_set(const char *name); /* kept, not copied */

/* A progress line that stands on the terminal is cleared before a message and drawn again after it. Control
 * characters (a file name may hold any) are shown as \xNN; a warning says that it is one. Any thread may call it. */
void lm_log(lm_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define lm_error(...) lm_log(LM_ERROR, __VA_ARGS__)
#define lm_warn(...)  lm_log(LM_WARNING, __VA_ARGS__)
#define lm_info(...)  lm_log(LM_INFO, __VA_ARGS__)
#define lm_debug(...) lm_log(LM_DEBUG, __VA_ARGS__)

/* The line that stands below the messages (base/progress.h draws it); NULL or "" takes it away. */
void lm_log_standing(const char *line);

#endif
