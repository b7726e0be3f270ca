/*
 * spawn.h: run `credward start`.
 */
#ifndef CREDWARD_SPAWN_H
#define CREDWARD_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Write the path of the `credward` of our own directory; false when there is none. */
bool find_program(char *at, size_t room);

/* Close this descriptor and all above. */
void close_from(int first);

/*
 * Run `program start`, detached from the caller. `*said` is the end of a pipe that holds what it
 * prints on standard output and standard error. Returns its process id, -1 when it cannot be run.
 */
pid_t spawn_start(const char *program, int *said);

#endif
