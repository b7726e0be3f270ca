/*
 * paths.c: the search order of the socket, alike in the daemon, the command line and both
 * helpers: CREDWARD_SOCKET alone; else $XDG_RUNTIME_DIR/credward, /run/user/UID/credward,
 * ~/.local/state/credward/run (on macOS ~/Library/Application Support/credward/run instead of
 * these two), /run/credward. The socket is called credward.sock.
 */
#include "paths.h"
#include "claims.h"
#include "deadline.h"
#include "files.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME "/credward.sock"
#define RETRY_MS 5

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#define SOCK_NONBLOCK 0
#endif

/* Write `path` below $variable, or below ~/fallback when it is unset; false where there is neither
 * or no room. */
static bool home_path(
	char *at, size_t room, const char *variable_name, const char *fallback, const char *path)
{
	struct text text = { at, room, 0, false };
	const char *base = variable_name != NULL ? variable(variable_name) : NULL;

	/* The base directory specification: a relative value is invalid and ignored. */
	if (base != NULL && base[0] == '/') {
		text_add(&text, base);
	} else {
		base = variable("HOME");
		if (base == NULL || base[0] != '/' || fallback == NULL)
			return false;
		text_add(&text, base);
		text_add(&text, fallback);
	}
	text_add(&text, path);
	return !text.overflow;
}

/* Take the place in if its path fits into a socket address. */
static void add_place(struct places *places, enum trust trust, const char *path)
{
	struct place *place = &places->place[places->count];

	if (strlen(path) >= sizeof(place->path))
		return;
	place->trust = trust;
	memcpy(place->path, path, strlen(path) + 1);
	places->count++;
}

static bool named_place(struct places *places, const char *path, struct failure *failure)
{
	if (path[0] != '/')
		failure_note(failure, CODE_FIX_CONFIGURATION, "CREDWARD_SOCKET \"", path,
			"\" is not an absolute path: set it to one that begins with /", NULL);
	else if (strlen(path) >= SOCKET_PATH_ROOM)
		failure_note(failure, CODE_FIX_CONFIGURATION,
			"the path in CREDWARD_SOCKET is longer than a "
			"socket path may be: set it to a shorter one",
			NULL);
	else
		add_place(places, NAMED_PLACE, path);
	return failure->code == CODE_OK;
}

#ifndef __APPLE__
/* What the login manager makes, also for those who were not told by XDG_RUNTIME_DIR. */
static void add_login_place(struct places *places)
{
	char path[64];
	struct text login = TEXT_IN(path);

	text_add(&login, "/run/user/");
	text_add_number(&login, geteuid());
	text_add(&login, "/credward" SOCKET_NAME);
	if (places->count == 0 || strcmp(places->place[0].path, path) != 0)
		add_place(places, LOGIN_PLACE, path);
}
#endif

bool places_find(struct places *places, struct failure *failure)
{
	static char path[PATH_ROOM];
	const char *named = variable("CREDWARD_SOCKET");

	places->count = 0;
	if (named != NULL)
		return named_place(places, named, failure);
	if (home_path(path, sizeof(path), "XDG_RUNTIME_DIR", NULL, "/credward" SOCKET_NAME))
		add_place(places, OWN_PLACE, path);
#ifdef __APPLE__
	if (home_path(
			path, sizeof(path), NULL, "/Library/Application Support", "/credward/run" SOCKET_NAME))
		add_place(places, OWN_PLACE, path);
#else
	add_login_place(places);
	if (home_path(
			path, sizeof(path), "XDG_STATE_HOME", "/.local/state", "/credward/run" SOCKET_NAME))
		add_place(places, OWN_PLACE, path);
#endif
	add_place(places, SYSTEM_PLACE, "/run/credward" SOCKET_NAME);
	return true;
}

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

/* Whether the uid stands for one user: the overflow uid of a namespace stands for many. That is the
 * kernel's DEFAULT_OVERFLOWUID; asking for another would cost every run its system calls. */
static bool is_known(uid_t uid)
{
	return uid != 65534 || !ids_are_mapped();
}

/* Where we are shown as the overflow uid ourselves, nobody is us. */
static bool is_ours(uid_t uid)
{
	return (uid == geteuid() || uid == 0) && is_known(uid);
}

static bool refuse(struct failure *failure, const char *path, const char *why, const char *remedy)
{
	failure_note(failure, CODE_FIX_CONFIGURATION, "\"", path, "\" ", why,
		", so it is not trusted: ", remedy, NULL);
	return false;
}

static void note_locked_out(const struct place *place, struct failure *failure)
{
	failure_note(failure, CODE_DENIED, "\"", place->path,
		"\" may not be opened by this user: "
		"ask for membership of its group",
		NULL);
}

/* Only root makes names in /run: whoever owns a directory there was given it. */
static bool given_by_root(const char *parent)
{
	struct stat status;

	return lstat(parent, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == 0
		&& (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool owner_is_right(const struct place *place, uid_t owner)
{
	if (place->trust == NAMED_PLACE || is_ours(owner))
		return true;
	/* Where root is not shown, it is whoever made this namespace that put it there. */
	return place->trust == SYSTEM_PLACE && (given_by_root("/run") || !is_known(owner));
}

/* Write the path without its last part. */
static void parent_of(char *at, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);

	memcpy(at, path, length);
	at[length] = '\0';
}

static bool is_ours_alone(const char *directory)
{
	char parent[SOCKET_PATH_ROOM];
	struct stat status;

	parent_of(parent, directory);
	return lstat(parent, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid()
		&& (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* Check the directory of a place. False with nothing noted: there is none. */
static bool directory_is_safe(const struct place *place, struct failure *failure)
{
	char directory[SOCKET_PATH_ROOM];
	struct stat status;

	parent_of(directory, place->path);
	if (place->trust == LOGIN_PLACE && !is_ours_alone(directory))
		return false;
	if (lstat(directory[0] != '\0' ? directory : "/", &status) != 0) {
		if (errno == EACCES)
			note_locked_out(place, failure);
		return false;
	}
	if (!S_ISDIR(status.st_mode))
		return refuse(failure, directory, "is a link or no directory", "run credward doctor");
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refuse(failure, directory, "can be written by others", "run chmod go-w on it");
	if (!owner_is_right(place, status.st_uid))
		return refuse(failure, directory, "belongs to another user", "run credward doctor");
	return true;
}

static bool socket_is_safe(const struct place *place, struct failure *failure)
{
	struct stat status;

	if (lstat(place->path, &status) != 0) {
		if (errno == EACCES)
			note_locked_out(place, failure);
		return false;
	}
	if (!S_ISSOCK(status.st_mode))
		return refuse(failure, place->path, "is a link or no socket", "run credward doctor");
	return true;
}

#if defined(SO_PEERCRED)
static bool peer_uid(int descriptor, uid_t *uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return false;
	*uid = peer.uid;
	return true;
}
#else
static bool peer_uid(int descriptor, uid_t *uid)
{
	gid_t gid;

	return getpeereid(descriptor, uid, &gid) == 0;
}
#endif

/* The kernel's word for who listens: a check of names alone could be raced by swapping a parent
 * directory. */
static bool peer_is_right(const struct place *place, int descriptor, struct failure *failure)
{
	uid_t uid = 0;

	if (place->trust != OWN_PLACE && place->trust != LOGIN_PLACE)
		return true;
	if (peer_uid(descriptor, &uid) && is_ours(uid))
		return true;
	return refuse(failure, place->path, "is served by another user", "run credward doctor");
}

static int new_socket(void)
{
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Started with a standard descriptor closed: what is printed must not end up in the socket. */
	if (descriptor >= 0 && descriptor <= STDERR_FILENO) {
		int low = descriptor;

		descriptor = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		(void)close(low);
	}
	if (descriptor >= 0 && SOCK_CLOEXEC == 0) {
		(void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
		(void)fcntl(descriptor, F_SETFL, O_NONBLOCK);
	}
#ifdef SO_NOSIGPIPE
	(void)setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &(int){ 1 }, sizeof(int));
#endif
	return descriptor;
}

/* A full backlog (EAGAIN) is a busy daemon, not an absent one. */
static bool connect_to(int descriptor, const char *path, int64_t end)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, strlen(path) + 1);
	while (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		if ((errno != EAGAIN && errno != EINTR) || left_ms(end) == 0)
			return false;
		sleep_ms(RETRY_MS);
	}
	return true;
}

static int place_connect(const struct place *place, int64_t end, struct failure *failure)
{
	int descriptor;

	if (!directory_is_safe(place, failure) || !socket_is_safe(place, failure))
		return -1;
	descriptor = new_socket();
	if (descriptor < 0)
		return -1;
	if (connect_to(descriptor, place->path, end) && peer_is_right(place, descriptor, failure))
		return descriptor;
	else if (errno == EACCES)
		note_locked_out(place, failure);
	else if (errno == EAGAIN)
		failure_note(failure, CODE_TIMED_OUT, "the daemon at \"", place->path,
			"\" takes no connection: "
			"run credward status",
			NULL);
	(void)close(descriptor);
	return -1;
}

int places_connect(const struct places *places, int64_t end, struct failure *failure)
{
	for (unsigned i = 0; i < places->count; i++) {
		int descriptor = place_connect(&places->place[i], end, failure);

		if (descriptor >= 0) {
			failure_forget(failure);
			return descriptor;
		}
	}
	return -1;
}

bool places_may_start(struct failure *failure)
{
	/* A machine's daemon that is not for this user is no reason against one of the user's own. */
	if (failure->code == CODE_DENIED)
		failure_forget(failure);
	return failure->code == CODE_OK;
}
