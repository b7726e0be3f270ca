/*
 * folder.c: finds the settings files of a repository and sends them without reading their content: an
 * agent may follow them unseen by this helper, and understanding them needs a JSON parser, which the
 * daemon has. They can only make it deny, so an unreadable file is reported, not left out.
 *
 * The main working tree of a linked one is found by gitrepository-layout(5), gitdir and commondir.
 * Git writes these files in only one way. We refuse any other (white space, `..` after a name, odd
 * characters, links), because programs would read it differently.
 *
 * A child checks other file systems (child.c).
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest body; a file that does not fit is reported as too large. */
#define FOLDER_LIMIT (60 * 1024)

/* How many folders are checked; more are reported as too large. */
#define LEVELS 32

#define LONGEST_WORD 4096

/* For the path of a folder, then a path from git and the name of a file. */
#define PATH_ROOM (PATH_MAX + LONGEST_WORD + 64)

enum reading { MISSING, ODD, READ };

/* Add a record of `name` in the folder `path` (`bytes`: of a file); if it makes the body too long,
 * the body becomes only the record of that, and stays so. */
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

/* Report the settings in the folder `path`, which is unchanged afterwards. */
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

/* Read a small file that holds only `mark`, a path and a line end. The agent cannot read an
 * unreadable file either. */
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

/* Follow `word` from `path`, a path without links. It is READ only if its text (path.resolve() of
 * Node.js) and its links lead to the same folder. */
static enum reading follow(struct text *path, const char *word)
{
	static char real[PATH_MAX];
	bool absolute = word[0] == '/';

	while (strncmp(word, "../", 3) == 0 || strcmp(word, "..") == 0) {
		cut_to_parent(path);
		word += word[2] == '/' ? 3 : 2;
	}
	/* After a name it leads elsewhere if that is a link or is missing. */
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

/* Check the main working tree of `path`, a folder with a file `.git`; false if that is not in git's
 * format, because then nobody knows how an agent reads it. */
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
	/* A bare repository is its own main working tree. */
	if (at.used > 0 && strcmp(strrchr(bytes, '/'), "/.git") == 0)
		cut_to_parent(&at);
	look_in(&at, body);
	return true;
}

/* The kind of file, 0 for none, -1 if unknown; `flag` as of fstatat(2). */
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

/* Report the content of `path`, whose `.git` is of this `kind`. The agent ignores one that is neither
 * folder nor file, or is not accessible. */
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
 * Search from the folder `start` (an absolute path) up to the first with a `.git` that is not a link.
 *
 * Without a `body`, check only the way to `start`: may there be anything to find? With one, put
 * records of the settings files and of each `.git` that is not understood into it;
 * broker/credward/folder.py describes the format. This waits for the file systems that links lead
 * to, for ever if they do not answer.
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
		/* The agent may ignore a link, depending on its target: continue the search above. */
		if (git == S_IFDIR || git == S_IFREG || path.used == 0)
			return false;
		cut_to_parent(&path);
	}
	if (body != NULL)
		report(body, "too-large ", &path, "/.git", NULL, 0);
	return true;
}

static char body_bytes[FOLDER_LIMIT + 1];
static struct text body = TEXT_IN(body_bytes);

static void look_from(const char *start, struct text *found)
{
	(void)look_up(start, found);
}

const struct text *look_around(void)
{
	static char start[PATH_MAX];

	/* The other half of the time is the daemon's. A call that waits for a file system that does not
	 * answer is ended by a deadly signal alone: the kernel runs no handler in there. */
	alarm_in(left_ms() / 2, SIG_DFL);
	if (getcwd(start, sizeof(start)) == NULL || start[0] != '/') {
		/* Too long for us, maybe not for the agent; or removed, and the agent may read what has its
		 * name by now. */
		text_add(&body, "unreadable .\n");
	} else if (look_up(start, NULL)) {
		look_by_child(
			&(struct look) {
				.at = look_from,
				.where = start,
				.what = ".claude/settings.json in this folder",
				.late = "the file system of this folder did not answer in time, so its "
						".claude/settings.json is not known: run this in another folder",
			},
			&body);
	}
	return body.used > 0 ? &body : NULL;
}
