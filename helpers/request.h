/*
 * request.h: one question to the daemon and its whole answer, HTTP/1.1.
 */
#ifndef CREDWARD_REQUEST_H
#define CREDWARD_REQUEST_H

#include "failure.h"
#include "text.h"

#include <stdbool.h>
#include <stdint.h>

/* Head and body of the largest answer; the daemon's own limits are far below. */
#define ANSWER_ROOM (96 * 1024)

/* The daemon reads a head of 16 KiB. */
#define QUESTION_ROOM (15 * 1024)

struct answer {
	int status;
	bool plain;       /* text/plain */
	bool measured;    /* the body's length was announced, so that a cut one was noticed */
	bool folder_judged, variables_judged; /* the daemon looked at what it was told of them */
	const char *kind; /* Credward-Kind, "" when absent */
	char *body;
	size_t length;
	/* Two bytes more than are read: a NUL behind the head of a full buffer, a newline behind the
	 * body. */
	char bytes[ANSWER_ROOM + 2];
	size_t used;
};

/*
 * Ask for `target`, by GET, or by POST where there is a body, and read the answer. False: `failure`
 * says why. The caller wipes `answer`.
 */
bool request_exchange(int descriptor, const char *target, const struct text *body, int64_t end,
	struct answer *answer, struct failure *failure);

/* Overwrite what a compiler would otherwise see no reason to overwrite. */
void wipe(void *secret, size_t length);

#endif
