/* Nothing is wrong with this one: it shows that the others fail by their fault alone. */
#include "badplug.h"

LM_PLUGIN(WHOLE)
