/*
 * paths.h: where a daemon may listen, whether that place can be trusted, and connecting to it.
 */
#ifndef CREDWARD_PATHS_H
#define CREDWARD_PATHS_H

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PATH_ROOM 4096
#define SOCKET_PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

enum trust {
	OWN_PLACE,    /* the directory is ours or root's, and so is the daemon */
	LOGIN_PLACE,  /* the same, below a directory that counts only if it is ours alone */
	SYSTEM_PLACE, /* the directory is root's, or one that root gave to somebody */
	NAMED_PLACE,  /* CREDWARD_SOCKET: whoever set it may name another user's daemon */
};

struct place {
	enum trust trust;
	char path[SOCKET_PATH_ROOM];
};

struct places {
	struct place place[4];
	unsigned count;
};

/* Fill in the search order of this environment; places whose path is too long for a socket are
 * left out. */
bool places_find(struct places *places, struct failure *failure);

/*
 * Connect to the first place where a daemon listens and return the descriptor. Else -1, and
 * `failure` holds why a place was refused, or nothing when simply nobody listens.
 */
int places_connect(const struct places *places, int64_t end, struct failure *failure);

/* Whether a daemon may be started after this failure to connect; if so the failure is forgotten. */
bool places_may_start(struct failure *failure);

#endif
