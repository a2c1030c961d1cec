/* Korean particles. A noun is written together with what marks its part in the sentence (학교에서는: in the school, as for it),
 * so that a noun is only found, and only replaced, apart from its particles. Several of them have two forms, by how the word
 * before them ends: 책을, but 노래를; 집으로, but 학교로 and 서울로. */
#ifndef LM_AUGMENT_JOSA_H
#define LM_AUGMENT_JOSA_H

#include "base/buffer.h"

#include <stdbool.h>

/* Whether `tail` can stand behind `noun`: particles in the forms that go with it, or what makes a verb of it (하다, 되다 and
 * 시키다 in their forms). */
bool lm_josa_follows(lm_str noun, lm_str tail, bool *verb);
/* Appends `tail`, which stood behind the noun `before`, in the form that goes with `noun`. */
void lm_josa_append(lm_str noun, lm_str before, lm_str tail, lm_buf *out);

#endif
