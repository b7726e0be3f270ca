/*
 * folder.c: finds the settings files of a repository and hands them over without a look inside: an
 * agent may follow them where this helper does not see it, and what they say takes a JSON parser,
 * which the daemon has. They can only make it deny, so what cannot be read is said, not left out.
 */
#include "folder.h"
#include "files.h"
#include "worktree.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

/* What a path of ours may add to one of the system's. */
#define PATH_ROOM (2 * PATH_MAX)

static const char *const names[] = { "/.claude/settings.json", "/.claude/settings.local.json" };

static char content[FOLDER_LIMIT + 1];

/* Add a record of something that was found; where it makes the body too long, the body becomes the
 * word of that, and stays so. */
static void report(
	struct folder *folder, const char *kind, const char *name, const char *bytes, size_t count)
{
	struct text *body = &folder->body;

	if (folder->full)
		return;
	text_add(body, kind);
	if (bytes != NULL) {
		text_add_number(body, count);
		text_add(body, " ");
	}
	text_add_encoded(body, name, "%");
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
	text_add_encoded(body, name, "%");
	text_add(body, "\n");
}

static void look_at(struct folder *folder, const char *path)
{
	ssize_t count = file_read(path, content, sizeof(content));

	if (count >= 0)
		report(folder, "file ", path, content, (size_t)count);
	else if (!file_is_missing())
		report(folder, "unreadable ", path, NULL, 0);
}

/* Look at the settings below `path`, which is left as it was. */
static void look_in(struct folder *folder, const struct text *path)
{
	struct text inner = *path;
	struct stat status;

	/* Most folders have none: one look is enough there. */
	text_add(&inner, "/.claude");
	if (stat(path->at, &status) == 0 || !file_is_missing()) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			inner.used = path->used;
			text_add(&inner, names[i]);
			if (inner.overflow)
				report(folder, "unreadable ", ".", NULL, 0);
			else
				look_at(folder, path->at);
		}
	}
	path->at[path->used] = '\0';
}

/* Say that `.git` in `path` is not understood, or lies too far up; `path` is left as it was. */
static void report_git(struct folder *folder, const struct text *path, const char *kind)
{
	struct text inner = *path;

	text_add(&inner, "/.git");
	report(folder, kind, inner.at, NULL, 0);
	path->at[path->used] = '\0';
}

static void look_in_main_trees(struct folder *folder, const struct text *path)
{
	static char bytes[MAIN_TREES][PATH_ROOM];
	struct text trees[MAIN_TREES] = { TEXT_IN(bytes[0]), TEXT_IN(bytes[1]) };
	int count = find_main_trees(path, trees);

	if (count < 0)
		report_git(folder, path, "unreadable ");
	for (int i = 0; i < count; i++)
		look_in(folder, &trees[i]);
}

/* What kind of thing `.git` is in `path`, 0 for nothing, -1 where that is not known. What lies where
 * nobody may look is nothing to the agent either. `*linked`: it is a link to that. */
static int kind_of_git(const struct text *path, bool *linked)
{
	struct text inner = *path;
	struct stat status;
	int kind = -1;

	text_add(&inner, "/.git");
	*linked = lstat(inner.at, &status) == 0 && S_ISLNK(status.st_mode);
	if (stat(inner.at, &status) == 0)
		kind = (int)(status.st_mode & S_IFMT);
	else if (file_is_missing() || errno == EACCES)
		kind = 0;
	path->at[path->used] = '\0';
	return kind;
}

/* From `path` up, cutting it. A `.git` that is neither folder nor file is none, as for the agent. A
 * link may be none to it, depending on its words: the look goes on up there. */
static void look_up(struct folder *folder, struct text *path)
{
	for (int level = 0; level < FOLDER_LEVELS && !folder->full; level++) {
		bool linked = false;
		int git = kind_of_git(path, &linked);

		if (git < 0)
			report_git(folder, path, "unreadable ");
		look_in(folder, path);
		if (git == S_IFREG)
			look_in_main_trees(folder, path);
		if (((git == S_IFREG || git == S_IFDIR) && !linked) || path->used == 0)
			return;
		text_to_parent(path);
	}
	report_git(folder, path, "too-large ");
}

void folder_find(struct folder *folder, const char *start)
{
	static char bytes[PATH_ROOM];
	struct text path = TEXT_IN(bytes);

	folder->body = (struct text)TEXT_IN(folder->bytes);
	text_add_folder(&path, start);
	look_up(folder, &path);
}
