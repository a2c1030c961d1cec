/* Its constructor ends the process, as if all were well. */
#include "badplug.h"

#include <stdlib.h>

__attribute__((constructor)) static void leave(void)
{
    exit(0);
}

LM_PLUGIN(WHOLE)
