/* Its constructor, which runs as soon as it is loaded, crashes. */
#include "badplug.h"

#include <signal.h>

__attribute__((constructor)) static void crash(void)
{
    raise(SIGSEGV);
}

LM_PLUGIN(WHOLE)
