/*
 * spawn.h: the two programs that can start the daemon.
 */
#ifndef CREDWARD_SPAWN_H
#define CREDWARD_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether our socket unit is there for the user's service manager. */
bool unit_is_installed(void);

/* Run `systemctl --user start credward.socket`, detached from the caller. Its pid, or -1. */
pid_t spawn_manager(void);

/*
 * Run `credward serve --detach` of our own directory, detached from the caller: in a virtual
 * environment by its interpreter, isolated from the user's site; else the program itself. The
 * child's pid, or -1 where there is none.
 */
pid_t spawn_daemon(void);

#endif
