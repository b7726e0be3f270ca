/*
 * worktree.c: git writes these files in one way only. What is written in any other is not understood
 * by us, rather than by each program in another way: white space, `..` behind a name, odd characters.
 */
#include "worktree.h"
#include "files.h"
#include "utf8.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define LONGEST 4096

enum reading { MISSING, ODD, READ };

/* White space of JavaScript (ECMA-262, String.prototype.trim) beyond ASCII, and controls. */
static bool is_odd(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point <= 0xa0) || point == 0x1680
		|| (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029
		|| point == 0x202f || point == 0x205f || point == 0x3000 || point == 0xfeff;
}

/* Whether these are characters that every program takes for the same. */
static bool is_plain_text(const char *word, size_t count)
{
	uint32_t point = 0;

	for (size_t i = 0; i < count;) {
		size_t length = utf8_length((const unsigned char *)word + i, count - i, &point);

		if (length == 0 || is_odd(point))
			return false;
		i += length;
	}
	return count > 0;
}

/* Whether `..` comes first only: behind a name it leads elsewhere where that is a link or is
 * missing. */
static bool goes_up_first(const char *word)
{
	bool named = word[0] == '/';

	while (*word != '\0') {
		size_t length = strcspn(word, "/");
		bool up = length == 2 && strncmp(word, "..", 2) == 0;

		if (up && named)
			return false;
		named = named || (length > 0 && !up);
		word += length + (word[length] == '/');
	}
	return true;
}

/* Read the path that is all of a small file but for `mark` in front and the end of a line. */
static enum reading read_path(const char *name, const char *mark, char *line, const char **path)
{
	ssize_t count = file_read(name, line, LONGEST + 1);
	size_t used = count < 0 ? 0 : (size_t)count, skip = strlen(mark);

	/* What nobody may read is none to the agent either. */
	if (count < 0)
		return file_is_missing() || errno == EACCES ? MISSING : ODD;
	if (used > LONGEST)
		return ODD;
	while (used > 0 && strchr(" \t\r\n", line[used - 1]) != NULL && line[used - 1] != '\0')
		used--;
	line[used] = '\0';
	if (strncmp(line, mark, skip) != 0)
		return ODD;
	skip += strspn(line + skip, " ");
	*path = line + skip;
	return is_plain_text(line + skip, used - skip) && goes_up_first(line + skip) ? READ : ODD;
}

/* Follow `word` from the absolute path `path` by the words alone, as path.resolve() of Node.js. */
static void resolve(struct text *path, const char *word)
{
	if (word[0] == '/')
		path->used = 0;
	while (*word != '\0') {
		size_t length = strcspn(word, "/");

		if (length == 2 && strncmp(word, "..", 2) == 0) {
			while (path->used > 0 && path->at[--path->used] != '/')
				;
		} else if (length > 0 && !(length == 1 && word[0] == '.')) {
			text_add(path, "/");
			text_add_bytes(path, word, length);
		}
		word += length + (word[length] == '/');
	}
	path->at[path->used] = '\0';
}

/* The folder that holds `.git`; that of a bare repository is its own. */
static void drop_git(struct text *path)
{
	static const char git[] = "/.git";
	const size_t length = sizeof(git) - 1;

	if (path->used >= length && strcmp(path->at + path->used - length, git) == 0)
		path->used -= length;
	path->at[path->used] = '\0';
}

/* As the kernel follows it; `tree` may hold PATH_MAX bytes. */
static bool follow(const struct text *gitdir, const char *word, struct text *tree)
{
	static char bytes[2 * PATH_MAX];
	struct text path = TEXT_IN(bytes);

	text_add_bytes(&path, gitdir->at, word[0] == '/' ? 0 : gitdir->used);
	text_add(&path, "/");
	text_add(&path, word);
	if (path.overflow || realpath(bytes, tree->at) == NULL)
		return false;
	tree->used = strlen(tree->at) == 1 ? 0 : strlen(tree->at);
	drop_git(tree);
	return true;
}

int find_main_trees(const struct text *path, struct text trees[MAIN_TREES])
{
	static char line[LONGEST + 1], bytes[2 * PATH_MAX];
	struct text gitdir = TEXT_IN(bytes), *by_words = &trees[0], *by_links = &trees[1];
	const char *word;
	enum reading reading;

	text_add(&gitdir, path->at);
	text_add(&gitdir, "/.git");
	if (gitdir.overflow || read_path(bytes, "gitdir:", line, &word) != READ)
		return -1;
	gitdir.used = path->used;
	resolve(&gitdir, word);
	text_add_bytes(by_words, bytes, gitdir.used);
	text_add(&gitdir, "/commondir");
	if (gitdir.overflow)
		return -1;
	reading = read_path(bytes, "", line, &word);
	gitdir.used -= strlen("/commondir");
	if (reading != READ)
		return reading == MISSING ? 0 : -1;
	resolve(by_words, word);
	drop_git(by_words);
	if (by_words->overflow || !follow(&gitdir, word, by_links))
		return -1;
	return strcmp(by_words->at, by_links->at) == 0 ? 1 : 2;
}
