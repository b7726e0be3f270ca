/*
 * folder.c: finds the settings files of a repository and hands them over without a look inside: an
 * agent may follow them where this helper does not see it, and what they say takes a JSON parser,
 * which the daemon has. They can only make it deny, so what cannot be read is said, not left out.
 */
#include "folder.h"
#include "claims.h"
#include "deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEVELS 32
#define PATIENCE_MS 1000
#define LONGEST_LINE 4096
/* What a path of ours may add to one of the system's. */
#define PATH_ROOM (2 * PATH_MAX)

static const char *const names[] = { "/.claude/settings.json", "/.claude/settings.local.json" };

static char content[FOLDER_LIMIT + 1];

/* Open a regular file, with nobody to wait for at the other end; -1 with errno for anything else.
 * A link is followed, as the agent does. */
static int open_regular(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (descriptor < 0 || (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)))
		return descriptor;
	close(descriptor);
	errno = EINVAL;
	return -1;
}

/* Read at most `room` bytes; -1 with errno where the file cannot be read. */
static ssize_t read_file(const char *path, char *bytes, size_t room)
{
	int descriptor = open_regular(path);
	size_t used = 0;
	ssize_t count = 1;

	if (descriptor < 0)
		return -1;
	while (used < room && count != 0) {
		count = read(descriptor, bytes + used, room - used);
		if (count > 0)
			used += (size_t)count;
		else if (count < 0 && errno != EINTR)
			break;
	}
	close(descriptor);
	return count < 0 ? -1 : (ssize_t)used;
}

/* Add a record; where it makes the body too long, the body becomes the word of that. */
static void add_record(
	struct folder *folder, const char *kind, const char *name, const char *bytes, size_t count)
{
	struct text *body = &folder->body;

	text_add(body, kind);
	if (bytes != NULL) {
		text_add_number(body, count);
		text_add(body, " ");
	}
	text_add_encoded(body, name);
	text_add(body, "\n");
	if (bytes != NULL) {
		text_add_bytes(body, bytes, count);
		text_add(body, "\n");
	}
	if (body->used <= FOLDER_LIMIT && !body->overflow)
		return;
	body->used = 0;
	body->overflow = false;
	folder->full = true;
	text_add(body, "too-large ");
	text_add_encoded(body, name);
	text_add(body, "\n");
}

/* The variables by which the daemon knows what the files change. */
static void add_variables(struct folder *folder)
{
	const char *name;

	for (size_t i = 0; (name = claims_variable(i)) != NULL && !folder->full; i++) {
		const char *value = variable(name);

		if (value != NULL)
			add_record(folder, "variable ", name, value, strlen(value));
	}
}

static void look_at(struct folder *folder, const char *path)
{
	ssize_t count = read_file(path, content, sizeof(content));

	if (count < 0 && (errno == ENOENT || errno == ENOTDIR))
		return;
	if (folder->body.used == 0)
		add_variables(folder);
	if (folder->full)
		return;
	if (count < 0)
		add_record(folder, "unreadable ", path, NULL, 0);
	else
		add_record(folder, "file ", path, content, (size_t)count);
}

/* Look at the settings below `path`, which is left as it was. */
static void look_in(struct folder *folder, struct text *path)
{
	struct text inner = *path;
	struct stat status;

	/* Most folders have none: one look is enough there. */
	text_add(&inner, "/.claude");
	if (stat(path->at, &status) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !folder->full; i++) {
			inner.used = path->used;
			text_add(&inner, names[i]);
			if (inner.overflow)
				add_record(folder, "unreadable ", ".", NULL, 0);
			else
				look_at(folder, path->at);
		}
	}
	path->at[path->used] = '\0';
}

/* Read the first line of a small file; NULL where there is none, or no text. */
static char *first_line(const char *path, char *line, size_t room)
{
	ssize_t count = read_file(path, line, room - 1);
	char *word = line;

	if (count < 0)
		return NULL;
	line[count] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	word += strspn(word, " \t");
	for (size_t last = strlen(word); last > 0 && strchr(" \t", word[last - 1]) != NULL; last--)
		word[last - 1] = '\0';
	return word;
}

/* Add a path that may be relative to what is there. */
static void add_path(struct text *path, const char *word)
{
	if (word[0] == '/')
		path->used = 0;
	else
		text_add(path, "/");
	text_add(path, word);
}

/* The main working tree of a linked one, whose local settings Claude Code reads
 * (gitrepository-layout(5), gitdir and commondir). `path` is that of a folder with a file `.git`. */
static bool find_main_tree(struct text path, char *resolved)
{
	static const char mark[] = "gitdir:";
	static char line[LONGEST_LINE + 1];
	size_t folder = path.used;
	char *word;

	text_add(&path, "/.git");
	word = first_line(path.at, line, sizeof(line));
	if (word == NULL || strncmp(word, mark, sizeof(mark) - 1) != 0)
		return false;
	word += sizeof(mark) - 1;
	path.used = folder;
	add_path(&path, word + strspn(word, " \t"));
	folder = path.used;
	text_add(&path, "/commondir");
	if (path.overflow || (word = first_line(path.at, line, sizeof(line))) == NULL)
		return false;
	path.used = folder;
	add_path(&path, word);
	if (path.overflow || realpath(path.at, resolved) == NULL)
		return false;
	word = strrchr(resolved, '/');
	if (word != NULL && strcmp(word, "/.git") == 0)
		*word = '\0';
	return true;
}

static void look_in_main_tree(struct folder *folder, struct text *path)
{
	static char resolved[PATH_ROOM];
	struct text main_tree = TEXT_IN(resolved);
	bool found = find_main_tree(*path, resolved);

	path->at[path->used] = '\0';
	main_tree.used = strlen(resolved);
	if (found)
		look_in(folder, &main_tree);
}

/* What kind of thing `.git` is in `path`: its mode, 0 for nothing; -1 where nobody can look. */
static int kind_of_git(struct text path)
{
	struct stat status;
	int kind = 0;

	text_add(&path, "/.git");
	if (stat(path.at, &status) == 0)
		kind = (int)(status.st_mode & S_IFMT);
	else if (errno == EACCES)
		kind = -1;
	return kind;
}

/* From `path` up, cutting it. A `.git` that is neither folder nor file is none, as for the agent. */
static void look_up(struct folder *folder, struct text *path)
{
	for (int level = 0; level < LEVELS && !folder->full; level++) {
		int git = kind_of_git(*path);
		char *last;

		if (git < 0)
			return;
		path->at[path->used] = '\0';
		look_in(folder, path);
		if (git == S_IFREG && !folder->full)
			look_in_main_tree(folder, path);
		last = strrchr(path->at, '/');
		if (last == NULL || git == S_IFREG || git == S_IFDIR)
			return;
		path->used = (size_t)(last - path->at);
		*last = '\0';
	}
}

void folder_look(struct folder *folder, int64_t end)
{
	static char bytes[PATH_ROOM];
	struct text path = TEXT_IN(bytes);
	int64_t patience = now_ms() + PATIENCE_MS;

	folder->body = (struct text)TEXT_IN(folder->bytes);
	die_at(patience < end ? patience : end);
	if (getcwd(bytes, PATH_MAX) != NULL && bytes[0] == '/') {
		/* The root is the empty path before its slash. */
		path.used = strlen(bytes) == 1 ? 0 : strlen(bytes);
		path.at[path.used] = '\0';
		look_up(folder, &path);
	} else if (errno != ENOENT) {
		/* Too long for us, perhaps not for the agent. */
		add_record(folder, "unreadable ", ".", NULL, 0);
	}
	live_on();
}
