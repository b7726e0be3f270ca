/*
 * folder.h: the settings of Claude Code around the working directory, handed over raw.
 */
#ifndef CREDWARD_FOLDER_H
#define CREDWARD_FOLDER_H

#include "text.h"

/* So many folders are looked at; that there are more is said to be too large. */
#define FOLDER_LEVELS 32

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
 * Put records of the settings files from the folder `start` (an absolute path) up to the first with
 * a `.git` that is no link into the body, and of each `.git` that is not understood; the body stays
 * empty where nothing is found. The frame is described in broker/credward/folder.py.
 *
 * It waits for the file systems that links lead to, for ever where they do not answer.
 */
void folder_find(struct folder *folder, const char *start);

#endif
