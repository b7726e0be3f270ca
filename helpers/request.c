/*
 * request.c: speaks to the daemon. Reads only as much HTTP as our daemon writes and refuses the
 * rest by name; unknown headers are skipped, so that an old helper understands a new daemon.
 */
#include "request.h"
#include "arguments.h"
#include "deadline.h"
#include "folder.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#define UNKNOWN_LENGTH SIZE_MAX

struct head {
	bool chunked;
	bool complete;
	size_t content_length;
};

void wipe(void *secret, size_t length)
{
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__)
	explicit_bzero(secret, length);
#else
	volatile unsigned char *byte = secret;

	while (length-- > 0)
		*byte++ = 0;
#endif
}

static bool garbled(struct failure *failure, const char *what)
{
	failure_note(failure, CODE_INTERNAL, "the daemon's answer is not understood, ", what,
		": run credward version and reinstall if helper and daemon differ", NULL);
	return false;
}

static bool send_all(int descriptor, const char *bytes, size_t count, int64_t end)
{
	while (count > 0) {
		ssize_t sent = send(descriptor, bytes, count, MSG_NOSIGNAL);

		if (sent >= 0) {
			bytes += sent;
			count -= (size_t)sent;
		} else if (errno == EAGAIN) {
			if (!wait_for(descriptor, POLLOUT, end))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static void send_question(
	int descriptor, const char *target, const struct text *body, int64_t end)
{
	static char bytes[QUESTION_ROOM];
	struct text question = TEXT_IN(bytes);

	text_add(&question, body->used > 0 ? "POST " : "GET ");
	text_add(&question, target);
	text_add(&question,
		" HTTP/1.1\r\nHost: credward\r\nAccept: text/plain\r\n"
		"User-Agent: credward-helper/" CREDWARD_VERSION "\r\nConnection: close\r\n");
	if (body->used > 0) {
		text_add(&question, "Content-Type: " FOLDER_MEDIA_TYPE "\r\nContent-Length: ");
		text_add_number(&question, body->used);
		text_add(&question, "\r\n");
	}
	text_add(&question, "\r\n");
	/* A daemon that refuses may answer and close before it has read all: read in any case. */
	if (send_all(descriptor, bytes, question.used, end) && body->used > 0)
		(void)send_all(descriptor, body->at, body->used, end);
}

/* The value of a header line if it has this name, else NULL. Cuts spaces at both ends. */
static char *value_of(char *line, const char *name)
{
	size_t length = strlen(name);
	char *value = line + length + 1;

	if (strncasecmp(line, name, length) != 0 || line[length] != ':')
		return NULL;
	value += strspn(value, " \t");
	for (size_t last = strlen(value); last > 0 && strchr(" \t", value[last - 1]) != NULL; last--)
		value[last - 1] = '\0';
	return value;
}

static bool read_header(
	char *line, struct head *head, struct answer *answer, struct failure *failure)
{
	size_t name = strcspn(line, ":");
	char *value;

	if (name == 0 || line[name] == '\0' || strcspn(line, " \t") < name)
		return garbled(failure, "a header line without a name");
	if ((value = value_of(line, "Content-Length")) != NULL) {
		if (head->content_length != UNKNOWN_LENGTH || value[0] == '\0' || strlen(value) > 9
			|| value[strspn(value, "0123456789")] != '\0')
			return garbled(failure, "its length is no number");
		head->content_length = (size_t)strtoul(value, NULL, 10);
	} else if (value_of(line, "Transfer-Encoding") != NULL) {
		head->chunked = true;
	} else if ((value = value_of(line, "Credward-Kind")) != NULL) {
		answer->kind = value;
	} else if (value_of(line, "Credward-Folder") != NULL) {
		answer->folder_judged = true;
	} else if (value_of(line, "Credward-Variables") != NULL) {
		answer->variables_judged = true;
	} else if ((value = value_of(line, "Content-Type")) != NULL) {
		answer->plain = strncasecmp(value, "text/plain", strlen("text/plain")) == 0;
	}
	return true;
}

static bool read_status(char *line, struct answer *answer, struct failure *failure)
{
	static const char version[] = "HTTP/1.";
	const char *digits = line + sizeof(version) + 1;

	if (strncmp(line, version, sizeof(version) - 1) != 0 || strlen(line) < sizeof(version) + 4
		|| strchr("01", digits[-2]) == NULL || digits[-1] != ' '
		|| strspn(digits, "0123456789") != 3 || (digits[3] != ' ' && digits[3] != '\0'))
		return garbled(failure, "it is no HTTP/1.1");
	answer->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
	return answer->status >= 200 ? true : garbled(failure, "an interim status");
}

/* Read the head of `length` bytes (its last line's CRLF included); a line at a time is made a
 * string in place. */
static bool read_head(
	struct answer *answer, size_t length, struct head *head, struct failure *failure)
{
	char *line = answer->bytes;
	char *end = answer->bytes + length;

	if (memchr(line, '\0', length) != NULL)
		return garbled(failure, "its head holds a NUL");
	while (line < end) {
		char *next = memchr(line, '\n', (size_t)(end - line));

		if (next == NULL || next == line || next[-1] != '\r'
			|| memchr(line, '\r', (size_t)(next - line - 1)) != NULL)
			return garbled(failure, "a line of its head has no proper end");
		next[-1] = '\0';
		if (!(line == answer->bytes ? read_status(line, answer, failure)
									: read_header(line, head, answer, failure)))
			return false;
		line = next + 1;
	}
	if (head->chunked)
		return garbled(failure, "it comes in chunks");
	head->complete = true;
	return true;
}

/* Look for the end of the head; the first `seen` bytes were looked at before. */
static bool look_for_head(
	struct answer *answer, size_t seen, struct head *head, struct failure *failure)
{
	for (size_t i = seen > 3 ? seen - 3 : 0; i + 4 <= answer->used; i++) {
		if (memcmp(answer->bytes + i, "\r\n\r\n", 4) != 0)
			continue;
		answer->body = answer->bytes + i + 4;
		return read_head(answer, i + 2, head, failure);
	}
	return true;
}

static bool body_is_whole(const struct answer *answer, const struct head *head)
{
	size_t arrived = answer->used - (size_t)(answer->body - answer->bytes);

	return head->content_length != UNKNOWN_LENGTH && arrived >= head->content_length;
}

/* The end of the stream: right only behind a body whose length was not announced. */
static bool at_end(const struct answer *answer, const struct head *head, struct failure *failure)
{
	if (answer->used == 0)
		failure_note(failure, CODE_NOT_RUNNING,
			"the daemon closed the connection without an answer: "
			"run credward status",
			NULL);
	else if (!head->complete || head->content_length != UNKNOWN_LENGTH)
		failure_note(
			failure, CODE_INTERNAL, "the daemon's answer was cut off: run credward status", NULL);
	return failure->code == CODE_OK;
}

static bool timed_out(struct failure *failure)
{
	failure_note(
		failure, CODE_TIMED_OUT, "the daemon did not answer in time: run credward status", NULL);
	return false;
}

/* Receive until the body is whole or the stream ends. */
static bool receive(
	int descriptor, int64_t end, struct answer *answer, struct head *head, struct failure *failure)
{
	for (;;) {
		ssize_t count;

		if (!wait_for(descriptor, POLLIN, end))
			return timed_out(failure);
#ifdef __linux__
		/* The answer is here, so we have been seen (MUST 4); from now on a secret may be in
		 * memory. */
		if (answer->used == 0)
			(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
		count = recv(descriptor, answer->bytes + answer->used, ANSWER_ROOM - answer->used, 0);
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count <= 0)
			return at_end(answer, head, failure);
		answer->used += (size_t)count;
		if (!head->complete && !look_for_head(answer, answer->used - (size_t)count, head, failure))
			return false;
		if (head->complete && body_is_whole(answer, head))
			return true;
		if (answer->used == ANSWER_ROOM)
			return garbled(failure, "it is too long");
	}
}

bool request_exchange(int descriptor, const char *target, const struct text *body, int64_t end,
	struct answer *answer, struct failure *failure)
{
	struct head head = { .content_length = UNKNOWN_LENGTH };

	answer->kind = "";
	send_question(descriptor, target, body, end);
	if (!receive(descriptor, end, answer, &head, failure))
		return false;
	answer->measured = head.content_length != UNKNOWN_LENGTH;
	answer->length = answer->measured ? head.content_length
									  : answer->used - (size_t)(answer->body - answer->bytes);
	return true;
}
