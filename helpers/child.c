/*
 * child.c: a child reads files whose place others chose, and nobody has to wait for it. A file
 * system that does not answer may block a process so that no signal ends it, not even SIGKILL (FUSE,
 * once its server has read the request), and a harness waits for us.
 */
#include "helper.h"

#include <signal.h>
#include <unistd.h>

/* How much longer the child lives than we wait for it. */
#define GRACE_MS 1000

/* In the child: readers of our output must not wait for it, so it keeps only the pipe. */
static _Noreturn void look_and_tell(const struct look *look, struct text *found, int pipe_end)
{
	if (dup2(pipe_end, STDIN_FILENO) < 0)
		_exit(1);
	close_from(STDIN_FILENO + 1);
	/* It ends when the kernel allows it: later than we do, because we would not know why. */
	alarm_in(left_ms() + GRACE_MS, SIG_DFL);
	look->at(look->where, found);
	_exit(write(STDIN_FILENO, found->at, found->used + 1) < 0);
}

void look_by_child(const struct look *look, struct text *found)
{
	int ends[2];
	pid_t child = pipe(ends) == 0 ? fork() : -1;
	ssize_t count;

	if (child == 0)
		look_and_tell(look, found, ends[1]);
	if (child < 0)
		fail(CODE_INTERNAL, "no process can be started to check ", look->what, ": try again");
	(void)close(ends[1]);
	await(look->late);
	end_in(left_ms() / 2);
	count = read_and_close(ends[0], found->at, found->room);
	/* The NUL shows that it is complete. */
	if (count <= 0 || found->at[count - 1] != '\0')
		fail(CODE_INTERNAL, "checking ", look->what, " failed: try again");
	found->used = (size_t)count - 1;
}
