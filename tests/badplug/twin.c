/* A second plugin for the same model_type. */
#include "badplug.h"

LM_PLUGIN(WHOLE)
