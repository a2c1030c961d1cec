/* The processes of one run: which this one is, and messages from one to another.
 *
 * What carries the messages is a shared object (lmutils/communicator.h) that is loaded where a launcher's environment says that
 * it has started several processes: OMPI_COMM_WORLD_SIZE (Open MPI's mpirun), PMI_SIZE (MPICH's mpiexec, srun --mpi=pmi2),
 * PMIX_RANK (srun --mpi=pmix). It is looked for in LMUTILS_COMMUNICATOR_PATH, directories with colons between, whose empty
 * elements are the installed ones.
 *
 * Waiting is a loop of ours that naps: so a process that waits leaves its processor to others, sees signals, and sees whether
 * the processes of its host are still there. */
#ifndef LM_TRAIN_COMMUNICATOR_H
#define LM_TRAIN_COMMUNICATOR_H

#include "base/status.h"
#include "lmutils/communicator.h"

typedef struct lm_communicator lm_communicator;

/* Joins. `name`: "none", "auto" (by the environment), or that of a communicator. *c is NULL where this process is alone. A
 * launcher that has started several processes for which no communicator is found is a failure: each would write the model.
 * Uses threads (base/threads.h) so that the processes of a host do not want more processors than it has, if `threads` is 0. */
bool lm_communicator_join(const char *name, int64_t threads, lm_communicator **c, lm_status *st);
/* The same over a communicator that is there. */
lm_communicator *lm_communicator_over(const lm_communicator_plugin *plugin, int64_t threads, lm_status *st);
/* Leaves in good order, which waits until all processes do; unless it has been given up. Frees it. */
void lm_communicator_leave(lm_communicator *c);
/* Something has gone wrong: other processes may never answer, and nobody waits for them any more. */
void lm_communicator_give_up(lm_communicator *c);
bool lm_communicator_given_up(const lm_communicator *c);

int lm_communicator_rank(const lm_communicator *c);
int lm_communicator_size(const lm_communicator *c);
int lm_communicator_hosts(const lm_communicator *c); /* on which they run; process 0 knows */
/* "rank 2 (process 71 on node7)", of those that this one knows: process 0 knows all, the others it. */
const char *lm_communicator_name(const lm_communicator *c, int rank);
/* The rank of a process that was seen to have ended; -1 = none. */
int lm_communicator_lost(lm_communicator *c);

/* Tags of messages; each is for one purpose. */
enum { LM_TAG_HELLO, LM_TAG_ORDER, LM_TAG_TEXT, LM_TAG_RESULT, LM_TAG_TABLE, LM_TAG_PIECE = 16, LM_TAG_MAX = 32767 };

/* Begin; NULL = failed. */
lm_transfer *lm_communicator_send(lm_communicator *c, const void *data, size_t bytes, int to, int tag, lm_status *st);
lm_transfer *lm_communicator_receive(lm_communicator *c, void *data, size_t bytes, int from, int tag, lm_status *st);
/* Whether *t is done; then it is NULL, as it is if it has failed. NULL is done. */
bool lm_communicator_done(lm_communicator *c, lm_transfer **t, lm_status *st);
/* Waits for it. */
bool lm_communicator_wait(lm_communicator *c, lm_transfer *t, lm_status *st);
/* Any number of bytes, sent or received whole. */
bool lm_communicator_put(lm_communicator *c, const void *data, size_t bytes, int to, int tag, lm_status *st);
bool lm_communicator_get(lm_communicator *c, void *data, size_t bytes, int from, int tag, lm_status *st);

/* For loops that wait for several things: called where nothing has moved, it naps, the longer the more often it is called
 * before a transfer is done. Fails where process 0 has got a signal (another waits for it, for a while), where a
 * process has ended, and where the watch does, which lm_communicator_watch sets. */
bool lm_communicator_nap(lm_communicator *c, lm_status *st);
void lm_communicator_watch(lm_communicator *c, bool (*watch)(void *context, lm_status *st), void *context);

#endif
