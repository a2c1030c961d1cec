/* What the terminal behind a descriptor is like. */
#ifndef LM_BASE_TERMINAL_H
#define LM_BASE_TERMINAL_H

#include <stdbool.h>

/* Its width in characters, 80 where it does not say; 0: it is no terminal. */
int lm_terminal_columns(int fd);
/* Whether characters beyond ASCII can be shown: the locale's are UTF-8. */
bool lm_terminal_utf8(void);

#endif
