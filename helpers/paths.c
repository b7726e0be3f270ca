/*
 * paths.c: the search order of the socket, alike in the daemon, the command line and both
 * helpers: CREDWARD_SOCKET alone; else $XDG_RUNTIME_DIR/credward, /run/user/UID/credward,
 * ~/.local/state/credward/run (on macOS ~/Library/Application Support/credward/run instead of
 * these two), /run/credward. The socket is called credward.sock.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

#define SOCKET "/credward.sock"
#define BY_OTHERS (S_IWGRP | S_IWOTH)

enum trust {
	OWN_PLACE,    /* the directory is ours or root's, and so is the daemon */
	SYSTEM_PLACE, /* the directory is root's, or root gave it to another user */
	NAMED_PLACE,  /* CREDWARD_SOCKET: it may name another user's daemon */
};

static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* True inside a user namespace that shows other users as the overflow uid. */
static bool ids_are_mapped(void)
{
	char map[64] = "";
	char *at = map;

	if (file_read("/proc/self/uid_map", map, sizeof(map) - 1) < 0)
		/* A kernel without user namespaces has no such file. Without /proc nobody knows. */
		return access("/proc/self", F_OK) != 0;
	/* The whole range mapped to itself is the initial namespace. An empty map: nothing is mapped
	 * yet. */
	return strtoul(at, &at, 10) != 0 || strtoul(at, &at, 10) != 0
		|| strtoul(at, &at, 10) != 4294967295UL;
}

/* Whether the uid means one user: the overflow uid of a namespace means many. We use the kernel's
 * DEFAULT_OVERFLOWUID; reading another value would cost every run more system calls. */
static bool is_known(uid_t uid)
{
	return uid != 65534 || !ids_are_mapped();
}

/* If our own uid looks like the overflow uid, no uid counts as ours. */
bool is_ours(uid_t uid)
{
	return (uid == geteuid() || uid == 0) && is_known(uid);
}

static bool refuse(const char *path, const char *why, const char *remedy)
{
	note(CODE_FIX_CONFIGURATION, "\"", path, "\" ", why, ", so it is not trusted: ", remedy);
	return false;
}

/* Whether this is a directory of that user, and nobody else has one of these permissions in it. */
static bool is_directory_of(uid_t uid, mode_t rights, const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == uid
		&& (status.st_mode & rights) == 0;
}

static bool owner_is_right(enum trust trust, uid_t owner)
{
	if (trust == NAMED_PLACE || is_ours(owner))
		return true;
	/* Only root makes names in /run, so root gave a directory there to its owner. If root is not
	 * shown, the creator of this namespace made it. */
	return trust == SYSTEM_PLACE && (is_directory_of(0, BY_OTHERS, "/run") || !is_known(owner));
}

/* Advise chmod only to the owner of a directory that is not sticky: others need /tmp as it is. */
static bool refuse_shared(enum trust trust, const char *directory, const struct stat *status)
{
	static const char why[] = "can be written by others";

	if (status->st_uid == geteuid() && (status->st_mode & S_ISVTX) == 0)
		return refuse(directory, why, "run chmod go-w on it");
	if (trust != NAMED_PLACE)
		return refuse(
			directory, why, "set CREDWARD_SOCKET to a socket in a directory of your own");
	note(CODE_FIX_CONFIGURATION, "CREDWARD_SOCKET names \"", address.sun_path, "\", and \"",
		directory, "\" ", why, ", so it is not trusted: unset CREDWARD_SOCKET");
	return false;
}

/* False with nothing noted: there is none. */
static bool directory_is_safe(enum trust trust)
{
	char directory[sizeof(address.sun_path)];
	struct stat status;

	memcpy(directory, address.sun_path, sizeof(directory));
	*strrchr(directory, '/') = '\0';
	if (lstat(directory[0] != '\0' ? directory : "/", &status) != 0)
		return false;
	if (!S_ISDIR(status.st_mode))
		return refuse(directory, "is a link or not a directory", "run credward doctor");
	if ((status.st_mode & BY_OTHERS) != 0)
		return refuse_shared(trust, directory, &status);
	return owner_is_right(trust, status.st_uid)
		|| refuse(directory, "belongs to another user", "run credward doctor");
}

static bool socket_is_safe(void)
{
	struct stat status;

	if (lstat(address.sun_path, &status) != 0)
		return false;
	return S_ISSOCK(status.st_mode)
		|| refuse(address.sun_path, "is a link or not a socket", "run credward doctor");
}

static bool peer_uid(int descriptor, uid_t *uid)
{
#if defined(SO_PEERCRED)
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	bool known = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;

	*uid = peer.uid;
	return known;
#else
	gid_t gid;

	return getpeereid(descriptor, uid, &gid) == 0;
#endif
}

/* Ask the kernel who listens: a check of only the names could be raced by swapping a parent
 * directory. */
static bool peer_is_right(enum trust trust, int descriptor)
{
	uid_t uid = 0;

	return trust != OWN_PLACE || (peer_uid(descriptor, &uid) && is_ours(uid))
		|| refuse(address.sun_path, "is served by another user", "run credward doctor");
}

static int new_socket(void)
{
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* If we start with a closed standard descriptor, our output must not go into the socket. */
	if (descriptor >= 0 && (descriptor <= STDERR_FILENO || SOCK_CLOEXEC == 0)) {
		int other = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		(void)close(descriptor);
		descriptor = other;
	}
#ifdef SO_NOSIGPIPE
	(void)setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &(int){ 1 }, sizeof(int));
#endif
	return descriptor;
}

/* Connect to `base` followed by `rest`. By the base directory specification a path that is not
 * absolute is invalid and ignored. So is a path that is too long for a socket. */
static int connect_to(enum trust trust, const char *base, const char *rest)
{
	struct text path = TEXT_IN(address.sun_path);
	int descriptor = -1;

	if (base == NULL || base[0] != '/')
		return -1;
	text_add(&path, base);
	text_add(&path, rest);
	if (path.overflow)
		return -1;
	if (directory_is_safe(trust) && socket_is_safe() && (descriptor = new_socket()) >= 0) {
		/* A full backlog is a busy daemon, not an absent one. */
		await("the daemon does not accept connections: run credward status");
		if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) == 0
			&& peer_is_right(trust, descriptor)) {
			failure = CODE_OK;
			return descriptor;
		}
	}
	if (errno == EACCES)
		note(CODE_DENIED, "\"", address.sun_path,
			"\" may not be opened by this user: ask for membership of its group");
	if (descriptor >= 0)
		(void)close(descriptor);
	return -1;
}

static int connect_to_named(const char *path)
{
	if (path[0] != '/')
		fail(CODE_FIX_CONFIGURATION, "CREDWARD_SOCKET \"", path,
			"\" is not an absolute path: set it to one that begins with /");
	if (strlen(path) >= sizeof(address.sun_path))
		fail(CODE_FIX_CONFIGURATION,
			"the path in CREDWARD_SOCKET is longer than a "
			"socket path may be: set it to a shorter one");
	return connect_to(NAMED_PLACE, path, "");
}

#ifdef __APPLE__
static int connect_in_home(const char *told)
{
	(void)told;
	return connect_to(
		OWN_PLACE, variable("HOME"), "/Library/Application Support/credward/run" SOCKET);
}
#else
/* `told`: what XDG_RUNTIME_DIR says. The login manager makes such a directory also for those who were
 * not told. */
static int connect_in_home(const char *told)
{
	const char *state = variable("XDG_STATE_HOME");
	char path[32];
	struct text login = TEXT_IN(path);
	int descriptor = -1;

	text_add(&login, "/run/user/");
	text_add_number(&login, geteuid());
	if ((told == NULL || strcmp(told, path) != 0)
		&& is_directory_of(geteuid(), S_IRWXG | S_IRWXO, path))
		descriptor = connect_to(OWN_PLACE, path, "/credward" SOCKET);
	if (descriptor >= 0)
		return descriptor;
	if (state != NULL && state[0] == '/')
		return connect_to(OWN_PLACE, state, "/credward/run" SOCKET);
	return connect_to(OWN_PLACE, variable("HOME"), "/.local/state/credward/run" SOCKET);
}
#endif

int daemon_connect(void)
{
	const char *named = variable("CREDWARD_SOCKET"), *runtime = variable("XDG_RUNTIME_DIR");
	int descriptor;

	if (named != NULL)
		return connect_to_named(named);
	descriptor = connect_to(OWN_PLACE, runtime, "/credward" SOCKET);
	if (descriptor < 0)
		descriptor = connect_in_home(runtime);
	if (descriptor < 0)
		descriptor = connect_to(SYSTEM_PLACE, "/run", "/credward" SOCKET);
	return descriptor;
}

int daemon_connect_at(const char *path)
{
	return connect_to(OWN_PLACE, path, "");
}
