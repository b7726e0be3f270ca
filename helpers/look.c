/*
 * look.c: a look at other file systems is for a child that nobody has to wait for. One that does not
 * answer may hold whoever asks it beyond any signal, SIGKILL too (FUSE, once its server has read the
 * question), and a harness waits for us.
 */
#include "helper.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

/* What the child lives longer than we wait for it. */
#define GRACE_MS 1000

/* With the NUL that says that it is whole. */
static char bytes[FOLDER_LIMIT + 1];
static struct text body = TEXT_IN(bytes);

/* In the child: whoever reads what we print must not wait for it, so it keeps the pipe alone. */
static _Noreturn void look_and_tell(const char *start, int pipe_end)
{
	size_t told = 0;
	ssize_t count = 0;

	if (dup2(pipe_end, STDIN_FILENO) < 0)
		_exit(1);
	close_from(STDIN_FILENO + 1);
	/* Where the kernel lets it go, it goes: later than we do, who would not know why. */
	alarm_in(left_ms() + GRACE_MS, SIG_DFL);
	(void)folder_look(start, &body);
	while (told <= body.used && count >= 0) {
		count = write(STDIN_FILENO, bytes + told, body.used + 1 - told);
		told += count > 0 ? (size_t)count : 0;
	}
	_exit(0);
}

static void look_by_child(const char *start)
{
	int ends[2];
	pid_t child = pipe(ends) == 0 ? fork() : -1;
	ssize_t count;

	if (child == 0)
		look_and_tell(start, ends[1]);
	if (child < 0)
		fail(CODE_INTERNAL,
			"no process can be started to look at .claude/settings.json here: try again");
	(void)close(ends[1]);
	await("the file system of this folder did not answer in time, so its "
		  ".claude/settings.json is not known: run this in another folder");
	end_in(left_ms() / 2);
	count = read_and_close(ends[0], bytes, sizeof(bytes));
	if (count <= 0 || bytes[count - 1] != '\0')
		fail(CODE_INTERNAL, "the look at .claude/settings.json in this folder failed: try again");
	body.used = (size_t)count - 1;
}

const struct text *look_around(void)
{
	static char start[PATH_MAX];

	/* The other half of the time is the daemon's. A call that waits for a file system that does not
	 * answer is ended by a deadly signal alone: the kernel runs no handler in there. */
	alarm_in(left_ms() / 2, SIG_DFL);
	errno = 0;
	if (getcwd(start, sizeof(start)) == NULL || start[0] != '/') {
		if (errno != ENOENT)
			/* Too long for us, perhaps not for the agent. */
			text_add(&body, "unreadable .\n");
	} else if (folder_look(start, NULL)) {
		look_by_child(start);
	}
	return body.used > 0 ? &body : NULL;
}
