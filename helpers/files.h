/*
 * files.h: files whose names others chose: regular ones only, and never a wait for whoever is at the
 * other end.
 */
#ifndef CREDWARD_FILES_H
#define CREDWARD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Read at most `room` bytes of a regular file, links followed; -1 with errno for anything else. */
ssize_t file_read(const char *path, char *bytes, size_t room);

/* Whether the last call failed because there is no such file. */
bool file_is_missing(void);

#endif
