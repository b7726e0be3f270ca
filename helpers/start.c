/*
 * start.c: auto-start: whether, by whom, and for how long to wait. How a program is run is
 * spawn.c.
 *
 * 1. A restricted place MUST NOT start a daemon: it would inherit the restriction and serve
 *    everybody with it.
 * 2. CREDWARD_SOCKET, CREDWARD_URL, CREDWARD_NO_START=1 or --no-start MUST mean no start.
 * 3. Starters that come together MUST give one start; one that fails MUST be told to those who
 *    waited for it.
 */
#include "start.h"
#include "claims.h"
#include "deadline.h"
#include "spawn.h"
#include "text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_DIRECTORY "/.local/state"
#define LOCK_NAME "/credward/start.lock"
#define FIRST_NAP_MS 4
#define LONGEST_NAP_MS 40
#define COMMAND "run credward serve --detach"

struct starter {
	int64_t began;
	int lock;
	bool held;
	pid_t child;     /* 0: none runs */
	bool by_manager; /* the child is systemctl */
	bool ready;      /* the start went well: only the connection is missing */
};

/* ---- may we ---- */

static bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

#ifdef __APPLE__
#define SYSTEM_CONFIGURATION "/Library/Application Support/credward"
#else
#define SYSTEM_CONFIGURATION "/etc/credward"
#endif

static bool is_configured(void)
{
	char path[PATH_ROOM];

	return (home_path(path, sizeof(path), "XDG_CONFIG_HOME", "/.config", "/credward/config.toml")
			   && file_exists(path))
		|| file_exists(SYSTEM_CONFIGURATION "/config.toml")
		|| file_exists(SYSTEM_CONFIGURATION "/config.d");
}

/* Below a session, a system call filter, no-new-privs, or a user namespace of somebody's making. */
static bool is_restricted(void)
{
#ifdef __linux__
	static char status[8192];
	int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t count = file < 0 ? -1 : read(file, status, sizeof(status) - 1);

	if (file >= 0)
		(void)close(file);
	/* Without /proc nothing is known, nor where our own directory is. */
	if (count <= 0 || strstr(status, "\nSeccomp:\t2") != NULL
		|| strstr(status, "\nNoNewPrivs:\t1") != NULL || ids_are_mapped())
		return true;
#endif
	return variable("CREDWARD_SESSION") != NULL;
}

static bool is_switched_off(void)
{
	const char *off = variable("CREDWARD_NO_START");

	return variable("CREDWARD_URL") != NULL || (off != NULL && strcmp(off, "0") != 0);
}

bool start_allowed(const struct places *places, bool forbidden, struct failure *failure)
{
	if (variable("CREDWARD_SOCKET") != NULL)
		failure_note(failure, CODE_NOT_RUNNING, "no daemon answers at \"", places->place[0].path,
			"\", which CREDWARD_SOCKET names: start that one", NULL);
	else if (forbidden || is_switched_off())
		failure_note(failure, CODE_NOT_RUNNING, "the daemon is not running: " COMMAND, NULL);
	else if (!is_configured())
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon is not running and nothing is configured: "
			"run credward add, then credward serve --detach",
			NULL);
	else if (is_restricted())
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon is not running and must not be started from "
			"inside a sandbox: " COMMAND " outside of it",
			NULL);
	return failure->code == CODE_OK;
}

/* ---- one of many ---- */

/* Make the directories above `path`, 0700 as the base directory specification has it. */
static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
}

static int open_lock(void)
{
	char path[PATH_ROOM];

	if (!home_path(path, sizeof(path), "XDG_STATE_HOME", STATE_DIRECTORY, LOCK_NAME))
		return -1;
	make_parents(path);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Leave word of a failed start for those who wait: when (monotonic) and the exit code. */
static void record_failure(const struct starter *starter, int code)
{
	char bytes[64];
	struct text record = TEXT_IN(bytes);
	ssize_t written;

	text_add_number(&record, (unsigned long long)now_ms());
	text_add(&record, " ");
	text_add_number(&record, (unsigned long long)code);
	text_add(&record, "\n");
	written = pwrite(starter->lock, bytes, record.used, 0);
	(void)written; /* then each of them tries for itself */
}

/* The exit code of a start that failed while we waited for it, 0 if there was none. */
static int recorded_failure(const struct starter *starter)
{
	char record[64] = "";
	char *end = record;
	long long when;

	if (pread(starter->lock, record, sizeof(record) - 1, 0) <= 0)
		return 0;
	when = strtoll(record, &end, 10);
	/* The clock began anew at boot: an instant in the future is a record from before. */
	return when >= starter->began && when <= now_ms() ? (int)strtol(end, NULL, 10) : 0;
}

static void note_failed_start(struct failure *failure, int code)
{
	char digits[16];
	struct text number = TEXT_IN(digits);

	text_add_number(&number, (unsigned long long)code);
	failure_note(failure, CODE_NOT_RUNNING, "the daemon does not start (exit ", digits,
		"): run credward serve to see why", NULL);
}

/* ---- the start itself ---- */

static bool begin(struct starter *starter, bool by_manager, struct failure *failure)
{
	starter->by_manager = by_manager;
	starter->child = by_manager ? spawn_manager() : spawn_daemon();
	if (starter->child > 0)
		return true;
	starter->child = 0;
	failure_note(failure, CODE_NOT_RUNNING,
		"the daemon is not running and is not installed beside this helper: " COMMAND, NULL);
	return false;
}

/* Look after our child. False: it failed and `failure` says so. */
static bool watch(struct starter *starter, struct failure *failure)
{
	int status = 0;
	int code;

	if (waitpid(starter->child, &status, WNOHANG) != starter->child)
		return true;
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	starter->child = 0;
	if (code == 0 || (!starter->by_manager && code == CODE_ALREADY_RUNNING)) {
		starter->ready = true;
		return true;
	}
	/* A unit without a service manager to run it (no session bus): start by hand. */
	if (starter->by_manager)
		return begin(starter, false, failure);
	record_failure(starter, code);
	note_failed_start(failure, code);
	return false;
}

/* Become the one who starts, when nobody else is. False: `failure` says why not. */
static bool take_turn(struct starter *starter, struct failure *failure)
{
	int code;

	if (!starter->held && flock(starter->lock, LOCK_EX | LOCK_NB) != 0)
		return true;
	if (!starter->held) {
		/* It was free or has just become so: look at what happened, and at the socket once more,
		 * first. */
		starter->held = true;
		code = recorded_failure(starter);
		if (code != 0)
			note_failed_start(failure, code);
		return code == 0;
	}
	if (starter->child > 0)
		return watch(starter, failure);
	return starter->ready || begin(starter, unit_is_installed(), failure);
}

int start_and_connect(const struct places *places, int64_t end, struct failure *failure)
{
	struct starter starter = { .began = now_ms(), .lock = open_lock() };
	int64_t nap = FIRST_NAP_MS;
	int descriptor = -1;

	if (starter.lock < 0) {
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon is not running and cannot be started, no state "
			"directory can be made: set XDG_STATE_HOME to a directory of yours",
			NULL);
		return -1;
	}
	while (take_turn(&starter, failure)) {
		descriptor = places_connect(places, end, failure);
		if (descriptor >= 0 || !places_may_start(failure))
			break;
		if (left_ms(end) == 0) {
			failure_note(failure, CODE_TIMED_OUT,
				"the daemon was started but does not answer yet: "
				"try again, or run credward status",
				NULL);
			break;
		}
		sleep_ms(nap < left_ms(end) ? nap : left_ms(end));
		nap = nap < LONGEST_NAP_MS ? nap * 2 : nap;
	}
	(void)close(starter.lock);
	return descriptor;
}
