/*
 * start.c: auto-start. `credward start` decides what is started, whether this place may start it,
 * and sees to it that many starters give one daemon; it knows the account, this program only an
 * environment that anybody may have set. How it is run is spawn.c.
 *
 * 1. CREDWARD_SOCKET, CREDWARD_URL, CREDWARD_NO_START=1 or --no-start MUST mean no start.
 * 2. The socket that is found so MUST be trusted no more than any other.
 */
#include "start.h"
#include "claims.h"
#include "deadline.h"
#include "spawn.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND "run credward serve --detach"
#define NAP_MS 1
#define LOOK_EVERY_MS 20

struct starter {
	pid_t child;
	int pipe;
	/* One line: the path of a socket, or why there is none. */
	char said[2 * LINE_LIMIT];
	size_t used;
};

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
	return failure->code == CODE_OK;
}

/* Read what it prints, to the end. False: it takes too long. */
static bool hear_out(struct starter *starter, int64_t end)
{
	for (;;) {
		size_t room = sizeof(starter->said) - 1 - starter->used;
		ssize_t count;

		if (room == 0)
			return true;
		if (!wait_for(starter->pipe, POLLIN, end))
			return false;
		count = read(starter->pipe, starter->said + starter->used, room);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return true;
		starter->used += (size_t)count;
	}
}

/* Its exit code, -1 when it takes too long. */
static int wait_to_the_end(const struct starter *starter, int64_t end)
{
	int status = 0;

	while (waitpid(starter->child, &status, WNOHANG) != starter->child) {
		if (left_ms(end) == 0)
			return -1;
		sleep_ms(NAP_MS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void note_failed_start(const struct starter *starter, int code, struct failure *failure)
{
	static const char prefix[] = "credward: ";
	const size_t skip = sizeof(prefix) - 1;
	char digits[16];
	struct text number = TEXT_IN(digits);

	if (strncmp(starter->said, prefix, skip) == 0) {
		failure_quote(failure, code, starter->said + skip, starter->used - skip);
		return;
	}
	text_add_number(&number, (unsigned long long)code);
	failure_note(failure, CODE_NOT_RUNNING, "the daemon does not start (exit ", digits,
		"): run credward start to see why", NULL);
}

static int connect_to_started(const struct starter *starter, int64_t end, struct failure *failure)
{
	struct places found = { .count = 1 };
	size_t length = strcspn(starter->said, "\n");
	int descriptor = -1;

	found.place[0].trust = OWN_PLACE;
	if (starter->said[0] == '/' && length < sizeof(found.place[0].path)) {
		memcpy(found.place[0].path, starter->said, length);
		descriptor = places_connect(&found, end, failure);
	}
	if (descriptor < 0)
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon was started but does not answer: run credward status", NULL);
	return descriptor;
}

/* Wait for what it has to say; its exit code, -1 with `failure` noted. */
static int run(
	struct starter *starter, const char *program, int64_t end, struct failure *failure)
{
	int code;

	starter->child = spawn_start(program, &starter->pipe);
	if (starter->child < 0) {
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon is not running and cannot be started: " COMMAND, NULL);
		return -1;
	}
	code = hear_out(starter, end) ? wait_to_the_end(starter, end) : -1;
	(void)close(starter->pipe);
	if (code < 0)
		failure_note(failure, CODE_TIMED_OUT,
			"the daemon was started but does not answer yet: try again, or run credward status",
			NULL);
	return code;
}

static int start(const char *program, int64_t end, struct failure *failure)
{
	static struct starter starter;
	int code = run(&starter, program, end, failure);

	if (code == 0)
		return connect_to_started(&starter, end, failure);
	if (code > 0)
		note_failed_start(&starter, code, failure);
	return -1;
}

/*
 * Fifty helpers at once would be fifty interpreters: while one has the daemon started, the others
 * look for it. The lock is the program that they would run. It only saves time, and anybody can
 * hold it, so it is waited for no longer than a quarter of the time that is left.
 */
static int await_another(
	const struct places *places, int lock, int64_t end, struct failure *failure)
{
	int64_t patience = now_ms() + left_ms(end) / 4;
	bool waits = flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	int descriptor = -1;

	while (waits && descriptor < 0 && failure->code == CODE_OK && left_ms(patience) > 0) {
		sleep_ms(LOOK_EVERY_MS);
		waits = flock(lock, LOCK_SH | LOCK_NB) != 0;
		descriptor = places_connect(places, end, failure);
		if (descriptor < 0)
			(void)places_may_start(failure);
	}
	return descriptor;
}

int start_and_connect(const struct places *places, int64_t end, struct failure *failure)
{
	char program[PATH_ROOM];
	int descriptor, lock;

	if (!find_program(program, sizeof(program))) {
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon is not running and is not installed beside this helper: " COMMAND, NULL);
		return -1;
	}
	lock = open(program, O_RDONLY | O_CLOEXEC);
	descriptor = await_another(places, lock, end, failure);
	if (descriptor < 0 && failure->code == CODE_OK)
		descriptor = start(program, end, failure);
	(void)close(lock);
	return descriptor;
}
