#include "one_draft.h"

#include "unit.h"

#include "base/memory.h"

char *one_draft(const lm_operation_kind *kind, const char *value, const lm_augment_options *o, lm_str *texts, int count)
{
    lm_status st = LM_STATUS_INIT;
    void *self = kind->open(value, o, 0, &st);
    assert_ok(&st);
    void *room = kind->room_new ? kind->room_new(self) : NULL;
    lm_draft draft = {.texts = texts, .text_count = count}, *drafts[] = {&draft};
    lm_drafts batch = {drafts, 1, 1, lm_arena_new(0)};
    ck_assert(kind->apply(self, room, &batch, &st));
    char *dropped = lm_strdup(draft.dropped ? draft.dropped : "");
    for (int i = 0; i < count; i++)
        texts[i].data = lm_strndup(texts[i].data ? texts[i].data : "", texts[i].len);
    lm_arena_free(batch.arena);
    if (room)
        kind->room_free(room);
    kind->close(self);
    return dropped;
}
