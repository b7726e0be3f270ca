/*
 * look.c: a look at other file systems is for a child that nobody has to wait for. One that does not
 * answer may hold whoever asks it beyond any signal, SIGKILL too (FUSE, once its server has read the
 * question), and a harness waits for us.
 */
#include "look.h"
#include "deadline.h"
#include "files.h"
#include "spawn.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the child lives longer than we wait for it. */
#define GRACE_MS 1000

/* What kind of file that is, 0 for none, -1 where that is not known. A link is not followed. */
static int kind_of(struct text *path, const char *name)
{
	size_t used = path->used;
	struct stat status;
	int kind = -1;

	text_add(path, name);
	if (!path->overflow && lstat(path->at, &status) == 0)
		kind = (int)(status.st_mode & S_IFMT);
	else if (!path->overflow && file_is_missing())
		kind = 0;
	path->used = used;
	path->at[used] = '\0';
	return kind;
}

/* Whether a look finds nothing, so that no child is needed. What is asked here lies on the way to the
 * working directory, which the process has come in by. */
static bool finds_nothing(const char *start)
{
	char bytes[2 * PATH_MAX];
	struct text path = TEXT_IN(bytes);

	text_add_folder(&path, start);
	for (int level = 0; level < FOLDER_LEVELS; level++) {
		int git = kind_of(&path, "/.git");

		if (kind_of(&path, "/.claude") != 0 || (git != 0 && git != S_IFDIR))
			return false;
		if (git == S_IFDIR || path.used == 0)
			return true;
		text_to_parent(&path);
	}
	return false;
}

/* In the child: whoever reads what we print must not wait for it, so it keeps the pipe alone. */
static void look_and_tell(struct folder *folder, const char *start, int pipe_end, int64_t end)
{
	size_t told = 0;
	ssize_t count = 0;

	if (dup2(pipe_end, STDIN_FILENO) < 0)
		_exit(1);
	close_from(STDIN_FILENO + 1);
	/* Where the kernel lets it go, it goes: later than we do, who would not know why. */
	die_at(end + GRACE_MS);
	folder_find(folder, start);
	/* The NUL behind the body says that it is whole. */
	while (told <= folder->body.used && count >= 0) {
		count = write(STDIN_FILENO, folder->bytes + told, folder->body.used + 1 - told);
		told += count > 0 ? (size_t)count : 0;
	}
	_exit(0);
}

/* Read what it tells; false with `failure` noted where that is not whole. */
static bool hear(struct folder *folder, int pipe_end, int64_t end, struct failure *failure)
{
	struct text *body = &folder->body;
	size_t used = 0;
	ssize_t count = 1;

	while (count != 0) {
		if (!wait_for(pipe_end, POLLIN, end)) {
			failure_note(failure, CODE_TIMED_OUT,
				"the file system of this folder did not answer in time, so its "
				".claude/settings.json is not known: run this in another folder",
				NULL);
			return false;
		}
		count = read(pipe_end, folder->bytes + used, sizeof(folder->bytes) - used);
		if (count > 0)
			used += (size_t)count;
		else if (count < 0 && errno != EINTR)
			break;
	}
	if (used == 0 || folder->bytes[used - 1] != '\0')
		failure_note(failure, CODE_INTERNAL,
			"the look at .claude/settings.json in this folder failed: try again", NULL);
	else
		body->used = used - 1;
	return failure->code == CODE_OK;
}

static bool look_by_child(
	struct folder *folder, const char *start, int64_t end, struct failure *failure)
{
	int ends[2];
	pid_t child = pipe(ends) == 0 ? fork() : -1;
	bool heard;

	if (child == 0)
		look_and_tell(folder, start, ends[1], end);
	if (child < 0) {
		failure_note(failure, CODE_INTERNAL,
			"no process can be started to look at .claude/settings.json here: try again", NULL);
		return false;
	}
	(void)close(ends[1]);
	heard = hear(folder, ends[0], end, failure);
	(void)close(ends[0]);
	return heard;
}

bool look_around(struct folder *folder, int64_t end, struct failure *failure)
{
	static char start[PATH_MAX];
	/* The other half of the time is the daemon's. */
	int64_t patience = end - left_ms(end) / 2;
	bool found = false;

	folder->body = (struct text)TEXT_IN(folder->bytes);
	die_at(patience);
	errno = 0;
	if (getcwd(start, sizeof(start)) != NULL && start[0] == '/')
		found = !finds_nothing(start);
	else if (errno != ENOENT)
		/* Too long for us, perhaps not for the agent. */
		text_add(&folder->body, "unreadable .\n");
	live_on();
	return !found || look_by_child(folder, start, patience, failure);
}
