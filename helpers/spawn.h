/*
 * spawn.h: run `credward start`.
 */
#ifndef CREDWARD_SPAWN_H
#define CREDWARD_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Run the `credward` of our own directory with the argument `start`, detached from the caller.
 * `*said` is the end of a pipe that holds what it prints on standard output and standard error.
 * Returns its process id; 0 when there is none beside us, -1 when it cannot be run.
 */
pid_t spawn_start(int *said);

#endif
