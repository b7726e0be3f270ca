/*
 * folder.h: the settings of Claude Code around the working directory, handed over raw.
 */
#ifndef CREDWARD_FOLDER_H
#define CREDWARD_FOLDER_H

#include "text.h"

#include <stdint.h>

/* The longest body; what does not fit is said to be too large. */
#define FOLDER_LIMIT (60 * 1024)

#define FOLDER_MEDIA_TYPE "application/vnd.credward.folder"

struct folder {
	/* One more byte than fits, and a NUL. */
	char bytes[FOLDER_LIMIT + 2];
	struct text body;
	bool full; /* something did not fit: the body says that, and nothing else */
};

/*
 * Put records of the settings files from the working directory up to the first folder with `.git`
 * into the body, behind records of the variables that say where requests go; the body stays empty
 * where there is no such file. The frame is described in broker/credward/folder.py.
 *
 * A file system that does not answer ends the process (die_at in deadline.h) after a second, at
 * `end` at the latest.
 */
void folder_look(struct folder *folder, int64_t end);

#endif
