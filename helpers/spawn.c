/*
 * spawn.c: run the program that starts the daemon.
 *
 * 1. It MUST be of the helper's own directory or the service manager, never one that the caller's
 *    PATH or environment names.
 * 2. It MUST get an environment from the allow-list, a fixed PATH and no descriptor of ours: a
 *    harness waits for the end of our standard error, and a daemon holding it would hang that
 *    harness.
 */
#include "spawn.h"
#include "places.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#define UNIT "/systemd/user/credward.socket"
#define KEPT_VARIABLES 64

extern char **environ;

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

static bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool beside(char *at, size_t room, const char *directory, const char *name)
{
	struct text path = { at, room, 0, false };

	text_add(&path, directory);
	text_add(&path, name);
	return !path.overflow && file_exists(at);
}

static bool is_kept(const char *entry)
{
	static const char *const kept[]
		= { "HOME=", "USER=", "LOGNAME=", "LANG=", "XDG_", "DBUS_SESSION_BUS_ADDRESS=" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strncmp(entry, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

static char *const *clean_environment(void)
{
	static char search_path[] = "PATH=/usr/bin:/bin";
	static char *kept[KEPT_VARIABLES];
	size_t count = 0;

	kept[count++] = search_path;
	for (char **entry = environ; *entry != NULL && count < KEPT_VARIABLES - 1; entry++)
		if (is_kept(*entry))
			kept[count++] = *entry;
	kept[count] = NULL;
	return kept;
}

static void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	for (long descriptor = sysconf(_SC_OPEN_MAX) - 1; descriptor >= first; descriptor--)
		(void)close((int)descriptor);
}

/* In the child: leave everything that belongs to the caller. */
static void detach(void)
{
	sigset_t none;
	int null;

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") != 0 || (null = open("/dev/null", O_RDWR)) < 0)
		_exit(127);
	for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
		if (dup2(null, descriptor) < 0)
			_exit(127);
	close_from(STDERR_FILENO + 1);
}

static pid_t spawn(const char *const programs[2], char *const arguments[])
{
	char *const *kept = clean_environment();
	pid_t child = fork();

	if (child != 0)
		return child;
	detach();
	for (int i = 0; i < 2 && programs[i] != NULL; i++)
		(void)execve(programs[i], arguments, kept);
	_exit(127);
}

bool unit_is_installed(void)
{
	char path[PATH_ROOM];

	return (home_path(path, sizeof(path), "XDG_CONFIG_HOME", "/.config", UNIT) && file_exists(path))
		|| (home_path(path, sizeof(path), "XDG_DATA_HOME", "/.local/share", UNIT)
			&& file_exists(path))
		|| file_exists("/etc" UNIT) || file_exists("/usr/lib" UNIT);
}

pid_t spawn_manager(void)
{
	static const char *const programs[2] = { "/usr/bin/systemctl", "/bin/systemctl" };
	static char name[] = "systemctl", user[] = "--user", start[] = "start",
				unit[] = "credward.socket";
	char *const arguments[] = { name, user, start, unit, NULL };

	return spawn(programs, arguments);
}

pid_t spawn_daemon(void)
{
	static char isolated[] = "-I", module[] = "-m", name[] = "credward", serve[] = "serve",
				detached[] = "--detach";
	char directory[PATH_ROOM], python[PATH_ROOM + 16], program[PATH_ROOM + 16],
		mark[PATH_ROOM + 16];
	const char *programs[2] = { NULL, NULL };
	bool has_program;

	if (!own_directory(directory, sizeof(directory)))
		return -1;
	has_program = beside(program, sizeof(program), directory, "/credward");
	if (beside(python, sizeof(python), directory, "/python3")
		&& (!has_program || beside(mark, sizeof(mark), directory, "/../pyvenv.cfg"))) {
		char *const arguments[] = { python, isolated, module, name, serve, detached, NULL };

		programs[0] = python;
		return spawn(programs, arguments);
	}
	if (has_program) {
		char *const arguments[] = { program, serve, detached, NULL };

		programs[0] = program;
		return spawn(programs, arguments);
	}
	return -1;
}
