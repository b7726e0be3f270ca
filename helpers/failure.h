/*
 * failure.h: why there is no token, kept until the end and then said in one line.
 */
#ifndef CREDWARD_FAILURE_H
#define CREDWARD_FAILURE_H

#include "exit_codes.h"

#include <stddef.h>

/* What a harness shows of us: Claude Code cuts standard error at 500 characters. */
#define LINE_LIMIT 500

struct failure {
	int code; /* 0: none so far */
	char line[LINE_LIMIT + 1];
	char hint[LINE_LIMIT + 1];
};

/* Note a failure, its line joined from the strings up to NULL. The first one noted stays: it is
 * the cause. */
void failure_note(struct failure *failure, int code, ...) __attribute__((sentinel));

/* Note a failure in the daemon's own words: `length` bytes, message in the first line, hint in
 * the second. */
void failure_quote(struct failure *failure, int code, const char *words, size_t length);

void failure_forget(struct failure *failure);

/* Print it (the hint only on a terminal) and return its exit code. */
int failure_report(const struct failure *failure);

/* The exit code for a kind; an unknown kind (a newer daemon) is judged by the status. */
int failure_code(const char *kind, int status);

#endif
