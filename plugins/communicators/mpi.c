/* MPI (Message Passing Interface Forum, https://www.mpi-forum.org/docs/): messages between the processes that mpirun, mpiexec
 * or srun has started. */
#include "lmutils/communicator.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

struct lm_transfer {
    MPI_Request request;
};

static bool explain(const char *what, int code, char *message, size_t room)
{
    char text[MPI_MAX_ERROR_STRING];
    int n = 0;
    MPI_Error_string(code, text, &n);
    snprintf(message, room, "%s: %.*s", what, n, text);
    return false;
}

static bool join(int *rank, int *size, char *message, size_t room)
{
    int provided, there;
    int code = MPI_Initialized(&there);
    if (code == MPI_SUCCESS && !there) /* OpenMP's threads do not communicate */
        code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (code != MPI_SUCCESS)
        return explain("MPI_Init_thread", code, message, room);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* a failure is the host's to report */
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, size);
    return true;
}

/* What a call that began a transfer has given. */
static lm_transfer *begun(lm_transfer *t, int code)
{
    if (code == MPI_SUCCESS)
        return t;
    free(t);
    return NULL;
}

static lm_transfer *begin_send(const void *data, size_t bytes, int to, int tag)
{
    lm_transfer *t = malloc(sizeof *t);
    return t ? begun(t, MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag, MPI_COMM_WORLD, &t->request)) : NULL;
}

static lm_transfer *begin_receive(void *data, size_t bytes, int from, int tag)
{
    lm_transfer *t = malloc(sizeof *t);
    return t ? begun(t, MPI_Irecv(data, (int)bytes, MPI_BYTE, from, tag, MPI_COMM_WORLD, &t->request)) : NULL;
}

static int test(lm_transfer *t)
{
    int done = 0, code = MPI_Test(&t->request, &done, MPI_STATUS_IGNORE);
    if (code == MPI_SUCCESS && !done)
        return LM_TRANSFER_PENDING;
    free(t);
    return code == MPI_SUCCESS ? LM_TRANSFER_DONE : LM_TRANSFER_FAILED;
}

static void leave(void)
{
    MPI_Finalize();
}

const lm_communicator_plugin *lm_communicator_entry_point(void);

const lm_communicator_plugin *lm_communicator_entry_point(void)
{
    static const lm_communicator_plugin plugin = {.magic = LM_COMMUNICATOR_MAGIC,
                                                  .abi = LM_COMMUNICATOR_ABI,
                                                  .join = join,
                                                  .send = begin_send,
                                                  .receive = begin_receive,
                                                  .test = test,
                                                  .leave = leave};
    return &plugin;
}
