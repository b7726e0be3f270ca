/*
 * start.c: auto-start. `credward start` decides what is started and whether it may be started here,
 * and ensures that many starters give one daemon; it knows the account, this program only knows an
 * environment that anyone may have set.
 *
 * 1. CREDWARD_SOCKET, CREDWARD_URL, CREDWARD_NO_START=1 or --no-start MUST mean no start.
 * 2. The socket that it finds MUST NOT be trusted more than any other.
 * 3. The program MUST be in the helper's own directory, never one that the caller's PATH or
 *    environment names.
 * 4. It MUST get an environment from the allow-list and no descriptor of ours: a harness waits for
 *    the end of our standard error, and a daemon holding it would hang that harness.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#define COMMAND "run credward daemon start"
#define LOOK_EVERY_MS 20

/* Raw values: `credward start` checks them, and uses none that its account does not confirm. */
static const char *const kept_variables[] = {
	"XDG_CONFIG_HOME",
	"XDG_STATE_HOME",
	"XDG_RUNTIME_DIR",
	"DBUS_SESSION_BUS_ADDRESS",
	"LANG",
	"CREDWARD_SESSION",
};

#define KEPT_COUNT (sizeof(kept_variables) / sizeof(kept_variables[0]))

/* For messages only, so they go by a name that no interpreter or library follows. */
static const struct {
	const char *name, *told_as;
} told_variables[] = {
	{ "HOME", "CREDWARD_CALLER_HOME=" },
	{ "CREDWARD_CONFIG", "CREDWARD_CALLER_CONFIG=" },
};

#define TOLD_COUNT (sizeof(told_variables) / sizeof(told_variables[0]))

/* `credward daemon start` obeys these variables too, so it would not help. */
static _Noreturn void fail_forbidden(const char *name)
{
	fail(CODE_NOT_RUNNING, "the daemon is not running, and ", name, " forbids to start it: unset ",
		name);
}

static void check_wish(bool forbidden)
{
	const char *named = variable("CREDWARD_SOCKET"), *off = variable("CREDWARD_NO_START");

	if (named != NULL)
		fail(CODE_NOT_RUNNING, "no daemon answers at \"", named,
			"\", which CREDWARD_SOCKET names: start that one, or unset CREDWARD_SOCKET");
	if (off != NULL && strcmp(off, "0") != 0)
		fail_forbidden("CREDWARD_NO_START");
	if (forbidden)
		fail(CODE_NOT_RUNNING, "the daemon is not running: " COMMAND);
}

/* Write the path of this program. */
static bool find_ourselves(char *at, size_t room)
{
#ifdef __APPLE__
	char given[PATH_MAX];
	uint32_t size = sizeof(given);

	return room >= PATH_MAX && _NSGetExecutablePath(given, &size) == 0
		&& realpath(given, at) != NULL;
#else
	ssize_t length = readlink("/proc/self/exe", at, room - 1);

	at[length > 0 ? length : 0] = '\0';
	return length > 0;
#endif
}

/* The `credward` of our own directory. */
static const char *find_program(void)
{
	static char path[PATH_MAX + sizeof("/credward")];
	char *slash = find_ourselves(path, PATH_MAX) ? strrchr(path, '/') : NULL;

	if (slash != NULL)
		memcpy(slash, "/credward", sizeof("/credward"));
	if (slash == NULL || access(path, X_OK | R_OK) != 0)
		fail(CODE_NOT_RUNNING,
			"the daemon is not running and is not installed beside this helper: " COMMAND);
	return path;
}

/* The first of each name: programs differ in how they read a name that is set twice. */
static char *const *clean_environment(void)
{
	static char search_path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	static char *kept[KEPT_COUNT + TOLD_COUNT + 2], told[TOLD_COUNT][PATH_MAX];
	size_t count = 0;

	kept[count++] = search_path;
	for (size_t i = 0; i < KEPT_COUNT; i++) {
		char *value = getenv(kept_variables[i]);

		if (value != NULL)
			/* The name and its equals sign come before it. */
			kept[count++] = value - strlen(kept_variables[i]) - 1;
	}
	for (size_t i = 0; i < TOLD_COUNT; i++) {
		const char *value = variable(told_variables[i].name), *name = told_variables[i].told_as;

		if (value == NULL || strlen(name) + strlen(value) >= PATH_MAX)
			continue;
		memcpy(told[i], name, strlen(name));
		memcpy(told[i] + strlen(name), value, strlen(value));
		kept[count++] = told[i];
	}
	return kept;
}

/* In the child: leave everything that belongs to the caller, and print into the pipe. */
static _Noreturn void become(const char *program, int pipe_end)
{
	static char name[] = "credward", start[] = "start";
	char *const arguments[] = { name, start, NULL };
	/* Above the standard ones: if those were closed, the pipe may have their numbers. */
	int output = fcntl(pipe_end, F_DUPFD, STDERR_FILENO + 1);
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (output < 0 || null < 0 || chdir("/") != 0 || dup2(null, STDIN_FILENO) < 0
		|| dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(127);
	close_from(STDERR_FILENO + 1);
	(void)execve(program, arguments, clean_environment());
	_exit(127);
}

/* Run it, and write its output; return its exit code. */
static int run(const char *program, struct text *said)
{
	int ends[2], status = 0;
	ssize_t count;
	pid_t child;

	await("the daemon was started but does not answer yet: try again, or run credward status");
	/* Harnesses may ignore it, and then we could not see how the child ended. */
	(void)signal(SIGCHLD, SIG_DFL);
	child = pipe(ends) == 0 ? fork() : -1;
	if (child == 0)
		become(program, ends[1]);
	if (child < 0)
		fail(CODE_NOT_RUNNING, "the daemon is not running and cannot be started: " COMMAND);
	(void)close(ends[1]);
	count = read_and_close(ends[0], said->at, said->room - 1);
	text_cut(said, count > 0 ? (size_t)count : 0);
	(void)waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static _Noreturn void fail_to_start(int code, const struct text *said)
{
	static const char prefix[] = "credward: ";
	const size_t skip = sizeof(prefix) - 1;
	char digits[16];
	struct text number = TEXT_IN(digits);

	if (strncmp(said->at, prefix, skip) == 0)
		fail_quoting(code, said->at + skip, said->used - skip);
	text_add_number(&number, (unsigned)code);
	fail(CODE_NOT_RUNNING, "the daemon does not start (exit ", digits,
		"): run credward start to see why");
}

static int start(const char *program)
{
	/* One line: the path of a socket, or why there is none. */
	static char line[2 * LINE_LIMIT];
	struct text said = TEXT_IN(line);
	int descriptor, code = run(program, &said);

	if (code != 0)
		fail_to_start(code, &said);
	text_cut(&said, strcspn(line, "\n"));
	descriptor = daemon_connect_at(line);
	if (descriptor < 0)
		fail(CODE_NOT_RUNNING, "the daemon was started but does not answer: run credward status");
	return descriptor;
}

/*
 * Fifty helpers at once would be fifty interpreters: while one starts the daemon, the others look
 * for it. The lock is the program that they would run. It only saves time, and anyone can hold it,
 * so we wait for it at most a quarter of the remaining time.
 */
static int await_another(int lock)
{
	int64_t patience = left_ms() / 4 * 3;
	bool waits = flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	int descriptor = -1;

	while (waits && descriptor < 0 && left_ms() > patience) {
		(void)poll(NULL, 0, LOOK_EVERY_MS);
		waits = flock(lock, LOCK_SH | LOCK_NB) != 0;
		descriptor = daemon_connect();
	}
	return descriptor;
}

int daemon_reach(bool forbidden)
{
	int descriptor = remote_is_named() ? remote_connect() : daemon_connect(), lock;
	const char *program;

	if (descriptor >= 0)
		return descriptor;
	/* The user may have their own daemon even if the machine's daemon does not serve them. */
	if (failure != CODE_OK && failure != CODE_DENIED)
		leave();
	check_wish(forbidden);
	program = find_program();
	lock = open(program, O_RDONLY | O_CLOEXEC);
	descriptor = await_another(lock);
	if (descriptor < 0)
		descriptor = start(program);
	(void)close(lock);
	return descriptor;
}
