/*
 * spawn.c: run the program that starts the daemon.
 *
 * 1. It MUST be of the helper's own directory, never one that the caller's PATH or environment
 *    names.
 * 2. It MUST get an environment from the allow-list and no descriptor of ours: a harness waits for
 *    the end of our standard error, and a daemon holding it would hang that harness.
 */
#include "spawn.h"
#include "paths.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

extern char **environ;

/* Raw values: `credward start` judges them, and uses none that its account does not vouch for. */
static const char *const kept_variables[] = {
	"XDG_CONFIG_HOME=",
	"XDG_STATE_HOME=",
	"XDG_RUNTIME_DIR=",
	"DBUS_SESSION_BUS_ADDRESS=",
	"LANG=",
	"CREDWARD_SESSION=",
};

#define KEPT_COUNT (sizeof(kept_variables) / sizeof(kept_variables[0]))

/* The directory of this very program, without a closing slash. */
static bool own_directory(char *at, size_t room)
{
	char *slash;
#ifdef __APPLE__
	char given[PATH_ROOM];
	uint32_t size = sizeof(given);

	if (room < PATH_ROOM || _NSGetExecutablePath(given, &size) != 0 || realpath(given, at) == NULL)
		return false;
#else
	ssize_t length = readlink("/proc/self/exe", at, room - 1);

	if (length <= 0)
		return false;
	at[length] = '\0';
#endif
	slash = strrchr(at, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* The first of each name: what follows one that is set twice differs from program to program. */
static char *const *clean_environment(void)
{
	static char search_path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	static char *kept[KEPT_COUNT + 2];
	size_t count = 0;

	kept[count++] = search_path;
	for (size_t i = 0; i < KEPT_COUNT; i++) {
		char **entry = environ;

		while (*entry != NULL
			&& strncmp(*entry, kept_variables[i], strlen(kept_variables[i])) != 0)
			entry++;
		if (*entry != NULL)
			kept[count++] = *entry;
	}
	kept[count] = NULL;
	return kept;
}

void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	for (long descriptor = sysconf(_SC_OPEN_MAX) - 1; descriptor >= first; descriptor--)
		(void)close((int)descriptor);
}

/* In the child: leave everything that belongs to the caller, and print into the pipe. */
static void detach(int pipe_end)
{
	sigset_t none;
	int null;
	/* Above the standard ones, which may have been closed and so be the pipe's own. */
	int output = fcntl(pipe_end, F_DUPFD, STDERR_FILENO + 1);

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (output < 0 || chdir("/") != 0 || (null = open("/dev/null", O_RDWR)) < 0
		|| dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0
		|| dup2(output, STDERR_FILENO) < 0)
		_exit(127);
	close_from(STDERR_FILENO + 1);
}

bool find_program(char *at, size_t room)
{
	struct text path = { at, room, 0, false };

	if (!own_directory(at, room))
		return false;
	path.used = strlen(at);
	text_add(&path, "/credward");
	return !path.overflow && access(at, X_OK | R_OK) == 0;
}

pid_t spawn_start(const char *program, int *said)
{
	static char name[] = "credward", start[] = "start";
	char *const arguments[] = { name, start, NULL };
	int ends[2];
	pid_t child;

	/* Harnesses may ignore it, and then nobody would be told how the child ended. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (pipe(ends) != 0)
		return -1;
	child = fork();
	if (child == 0) {
		detach(ends[1]);
		(void)execve(program, arguments, clean_environment());
		_exit(127);
	}
	(void)close(ends[1]);
	*said = ends[0];
	return child;
}
