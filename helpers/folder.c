/*
 * folder.c: finds the settings files of a repository and hands them over without a look inside: an
 * agent may follow them where this helper does not see it, and what they say takes a JSON parser,
 * which the daemon has. They can only make it deny, so what cannot be read is said, not left out.
 *
 * The main working tree of a linked one is found by gitrepository-layout(5), gitdir and commondir.
 * Git writes these files in one way only. What is written in any other is not understood by us,
 * rather than by each program in another way: white space, `..` behind a name, odd characters, links.
 *
 * The look at other file systems is a child's that nobody has to wait for. One that does not answer
 * may hold whoever asks it beyond any signal, SIGKILL too (FUSE, once its server has read the
 * question), and a harness waits for us.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest body; what does not fit is said to be too large. */
#define FOLDER_LIMIT (60 * 1024)

/* So many folders are looked at; that there are more is said to be too large. */
#define LEVELS 32

#define LONGEST_WORD 4096

/* For the path of a folder, one of git's behind it and the name of a file. */
#define PATH_ROOM (PATH_MAX + LONGEST_WORD + 64)

/* What the child lives longer than we wait for it. */
#define GRACE_MS 1000

enum reading { MISSING, ODD, READ };

/* Add a record of `name` in the folder `path` (`bytes`: of a file); where it makes the body too long,
 * the body becomes the word of that, and stays so. */
static void report(struct text *body, const char *kind, const struct text *path, const char *name,
	const char *bytes, size_t count)
{
	if (body->overflow)
		return;
	text_add(body, kind);
	if (bytes != NULL) {
		text_add_number(body, count);
		text_add(body, " ");
	}
	text_add_encoded(body, path->at, "%");
	text_add_encoded(body, name, "%");
	text_add(body, "\n");
	if (bytes != NULL) {
		text_add_bytes(body, bytes, count);
		text_add(body, "\n");
	}
	if (!body->overflow)
		return;
	text_cut(body, 0);
	text_add(body, "too-large ");
	text_add_encoded(body, path->at, "%");
	text_add_encoded(body, name, "%");
	text_add(body, "\n");
}

/* Report the settings in the folder `path`, which is left as it was. */
static void look_in(struct text *path, struct text *body)
{
	static const char *const names[] = { "/.claude/settings.json", "/.claude/settings.local.json" };
	static char content[FOLDER_LIMIT + 1];
	size_t used = path->used;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ssize_t count;

		text_add(path, names[i]);
		count = file_read(path->at, content, sizeof(content));
		text_cut(path, used);
		if (count >= 0)
			report(body, "file ", path, names[i], content, (size_t)count);
		else if (!file_is_missing())
			report(body, "unreadable ", path, names[i], NULL, 0);
	}
}

static bool is_plain(const char *word)
{
	size_t length = 1;

	for (; *word != '\0' && length > 0; word += length)
		length = plain_length(word, strlen(word));
	return length > 0;
}

/* Read the path that is all of a small file but for `mark` in front and the end of a line. What
 * nobody may read is none to the agent either. */
static enum reading read_path(const char *name, const char *mark, const char **path)
{
	static char line[LONGEST_WORD + 1];
	ssize_t count = file_read(name, line, sizeof(line));
	size_t used = count < 0 ? 0 : (size_t)count;

	if (count < 0)
		return file_is_missing() || errno == EACCES ? MISSING : ODD;
	if (used > LONGEST_WORD || memchr(line, '\0', used) != NULL)
		return ODD;
	while (used > 0 && strchr(" \t\r\n", line[used - 1]) != NULL)
		used--;
	if (used > 0 && line[used - 1] == '/')
		used--;
	line[used] = '\0';
	if (strncmp(line, mark, strlen(mark)) != 0)
		return ODD;
	*path = line + strlen(mark);
	*path += strspn(*path, " ");
	return (*path)[0] != '\0' && is_plain(*path) ? READ : ODD;
}

static void cut_to_parent(struct text *path)
{
	const char *slash = strrchr(path->at, '/');

	text_cut(path, slash == NULL ? 0 : (size_t)(slash - path->at));
}

/* Follow `word` from `path`, a path without links. It is READ only if it leads to the same folder by
 * the words, as path.resolve() of Node.js goes, and by the links. */
static enum reading follow(struct text *path, const char *word)
{
	static char real[PATH_MAX];
	bool absolute = word[0] == '/';

	while (strncmp(word, "../", 3) == 0 || strcmp(word, "..") == 0) {
		cut_to_parent(path);
		word += word[2] == '/' ? 3 : 2;
	}
	/* Behind a name it leads elsewhere where that is a link or is missing. */
	if (strstr(word, "/..") != NULL)
		return ODD;
	if (absolute)
		text_cut(path, 0);
	else if (word[0] != '\0')
		text_add(path, "/");
	text_add(path, word);
	if (realpath(path->used > 0 ? path->at : "/", real) == NULL)
		return file_is_missing() || errno == EACCES ? MISSING : ODD;
	return strcmp(real, path->used > 0 ? path->at : "/") == 0 ? READ : ODD;
}

/* Look in the main working tree of `path`, a folder with a file `.git`; false where that is not as
 * git writes it, for nobody knows then what an agent makes of it. */
static bool look_beyond(const struct text *path, struct text *body)
{
	static char bytes[PATH_ROOM];
	struct text at = TEXT_IN(bytes);
	const char *word;
	enum reading reading;

	text_add(&at, path->at);
	text_add(&at, "/.git");
	if (read_path(bytes, "gitdir:", &word) != READ)
		return false;
	cut_to_parent(&at);
	reading = follow(&at, word);
	if (reading != READ)
		return reading == MISSING;
	text_add(&at, "/commondir");
	reading = read_path(bytes, "", &word);
	if (reading != READ)
		return reading == MISSING;
	cut_to_parent(&at);
	if (follow(&at, word) != READ)
		return false;
	/* A bare repository is its own. */
	if (at.used > 0 && strcmp(strrchr(bytes, '/'), "/.git") == 0)
		cut_to_parent(&at);
	look_in(&at, body);
	return true;
}

/* What kind of file that is, 0 for none, -1 where that is not known; `flag` as of fstatat(2). */
static int kind_of(struct text *path, const char *name, int flag)
{
	size_t used = path->used;
	struct stat status;
	int kind = -1;

	text_add(path, name);
	if (fstatat(AT_FDCWD, path->at, &status, flag) == 0)
		kind = (int)(status.st_mode & S_IFMT);
	else if (file_is_missing())
		kind = 0;
	text_cut(path, used);
	return kind;
}

/* Report what is in `path`, whose `.git` is of this `kind`. One that is neither folder nor file, or
 * lies where nobody may look, is none to the agent. */
static void look_here(struct text *path, int kind, struct text *body)
{
	if (kind == S_IFLNK)
		kind = kind_of(path, "/.git", 0);
	if (kind < 0 && errno != EACCES)
		report(body, "unreadable ", path, "/.git", NULL, 0);
	look_in(path, body);
	if (kind == S_IFREG && !look_beyond(path, body))
		report(body, "unreadable ", path, "/.git", NULL, 0);
}

/*
 * Look from the folder `start` (an absolute path) up to the first with a `.git` that is no link.
 *
 * Without a `body`, only on the way to `start`: whether there may be anything to find. With one, put
 * records into it, of the settings files and of each `.git` that is not understood; the frame is
 * described in broker/credward/folder.py. That waits for the file systems that links lead to, for
 * ever where they do not answer.
 */
static bool look_up(const char *start, struct text *body)
{
	static char bytes[PATH_ROOM];
	struct text path = TEXT_IN(bytes);

	text_add(&path, strcmp(start, "/") == 0 ? "" : start);
	for (int level = 0; level < LEVELS; level++) {
		int git = kind_of(&path, "/.git", AT_SYMLINK_NOFOLLOW);

		if (body != NULL)
			look_here(&path, git, body);
		else if ((git != 0 && git != S_IFDIR)
			|| kind_of(&path, "/.claude", AT_SYMLINK_NOFOLLOW) != 0)
			return true;
		/* A link may be none to the agent, depending on its words: the look goes on up there. */
		if (git == S_IFDIR || git == S_IFREG || path.used == 0)
			return false;
		cut_to_parent(&path);
	}
	if (body != NULL)
		report(body, "too-large ", &path, "/.git", NULL, 0);
	return true;
}

/* With the NUL that says that it is whole. */
static char body_bytes[FOLDER_LIMIT + 1];
static struct text body = TEXT_IN(body_bytes);

/* In the child: whoever reads what we print must not wait for it, so it keeps the pipe alone. */
static _Noreturn void look_and_tell(const char *start, int pipe_end)
{
	if (dup2(pipe_end, STDIN_FILENO) < 0)
		_exit(1);
	close_from(STDIN_FILENO + 1);
	/* Where the kernel lets it go, it goes: later than we do, who would not know why. */
	alarm_in(left_ms() + GRACE_MS, SIG_DFL);
	(void)look_up(start, &body);
	_exit(write(STDIN_FILENO, body_bytes, body.used + 1) < 0);
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
	count = read_and_close(ends[0], body_bytes, sizeof(body_bytes));
	if (count <= 0 || body_bytes[count - 1] != '\0')
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
	} else if (look_up(start, NULL)) {
		look_by_child(start);
	}
	return body.used > 0 ? &body : NULL;
}
