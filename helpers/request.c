/*
 * request.c: speaks to the daemon. Reads only as much HTTP as our daemon writes and refuses the
 * rest by name; unknown headers are skipped, so that an old helper understands a new daemon.
 */
#include "helper.h"

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

/* Head and body of the largest answer; the daemon's own limits are far below. */
#define ANSWER_ROOM (96 * 1024)

/* Two bytes more than are read: a NUL after the head of a full buffer, a newline after the body. */
static char bytes[ANSWER_ROOM + 2];
static size_t used;
static struct answer answer = { .kind = "", .length = UNKNOWN_LENGTH };

void answer_wipe(bool in_between)
{
	wipe(bytes, in_between ? sizeof(bytes) : used);
}

void wipe(char *at, size_t length)
{
#ifdef __APPLE__
	volatile char *byte = at;

	while (length-- > 0)
		*byte++ = 0;
#else
	explicit_bzero(at, length);
#endif
}

static _Noreturn void garbled(const char *what)
{
	fail(CODE_INTERNAL, "the daemon's answer is not understood, ", what,
		": run credward --version and reinstall if helper and daemon differ");
}

static void send_question(int descriptor, struct text *question, const struct text *body)
{
	text_add(question, " HTTP/1.1\r\nHost: ");
	if (remote_is_named())
		remote_add(question);
	else
		text_add(question, "credward");
	text_add(question,
		"\r\nAccept: text/plain\r\n"
		"User-Agent: credward-helper/" CREDWARD_VERSION "\r\nConnection: close\r\n");
	if (body != NULL) {
		text_add(question, "Content-Type: " FOLDER_MEDIA_TYPE "\r\nContent-Length: ");
		text_add_number(question, body->used);
		text_add(question, "\r\n");
	}
	text_add(question, "\r\n");
	if (question->overflow)
		fail(CODE_BAD_REQUEST,
			"the base URL, or a variable that decides it, is too long: set a shorter one");
	/* A daemon that refuses may answer and close before it has read all: read the answer anyway. */
	if (send(descriptor, question->at, question->used, MSG_NOSIGNAL) > 0 && body != NULL)
		(void)send(descriptor, body->at, body->used, MSG_NOSIGNAL);
	/* It may hold the bearer of an endpoint. */
	wipe(question->at, question->used);
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

static void read_header(char *line)
{
	size_t name = strcspn(line, ": \t");
	char *value;

	if (name == 0 || line[name] != ':')
		garbled("a header line without a name");
	if ((value = value_of(line, "Content-Length")) != NULL) {
		if (answer.length != UNKNOWN_LENGTH || value[0] == '\0' || strlen(value) > 9
			|| value[strspn(value, "0123456789")] != '\0')
			garbled("its length is not a number");
		answer.length = (size_t)strtoul(value, NULL, 10);
		answer.measured = true;
	} else if (value_of(line, "Transfer-Encoding") != NULL) {
		garbled("it comes in chunks");
	} else if ((value = value_of(line, "Credward-Kind")) != NULL) {
		answer.kind = value;
	} else if (value_of(line, "Credward-Folder") != NULL) {
		answer.folder_judged = true;
	} else if (value_of(line, "Credward-Variables") != NULL) {
		answer.variables_judged = true;
	} else if ((value = value_of(line, "Content-Type")) != NULL) {
		answer.plain = strncasecmp(value, "text/plain", strlen("text/plain")) == 0;
	}
}

static void read_status(const char *line)
{
	const char *digits = line + strlen("HTTP/1.1 ");

	if ((strncmp(line, "HTTP/1.1 ", 9) != 0 && strncmp(line, "HTTP/1.0 ", 9) != 0)
		|| strspn(digits, "0123456789") != 3 || (digits[3] != ' ' && digits[3] != '\0'))
		garbled("it is not HTTP/1.1");
	answer.status = atoi(digits);
	if (answer.status < 200)
		garbled("an interim status");
}

/* Read the head of `length` bytes (its last line's CRLF included); a line at a time is made a
 * string in place. */
static void read_head(size_t length)
{
	char *line = bytes, *end = bytes + length;

	if (memchr(bytes, '\0', length) != NULL)
		garbled("its head holds a NUL");
	while (line < end) {
		char *next = memchr(line, '\n', (size_t)(end - line));

		if (next == NULL || next == line || next[-1] != '\r'
			|| memchr(line, '\r', (size_t)(next - line - 1)) != NULL)
			garbled("a line of its head does not end with CRLF");
		next[-1] = '\0';
		if (line == bytes)
			read_status(line);
		else
			read_header(line);
		line = next + 1;
	}
}

/* Whether all has arrived, according to what we have. */
static bool is_whole(void)
{
	if (answer.body == NULL) {
		char *end = memmem(bytes, used, "\r\n\r\n", 4);

		if (end == NULL)
			return false;
		answer.body = end + 4;
		read_head((size_t)(end + 2 - bytes));
	}
	return answer.measured && used - (size_t)(answer.body - bytes) >= answer.length;
}

/* The end of the stream: valid only after a body whose length was not announced. */
static void read_end(void)
{
	if (used == 0)
		fail(CODE_NOT_RUNNING,
			"the daemon closed the connection without an answer: run credward status");
	if (answer.body == NULL || answer.measured)
		fail(CODE_INTERNAL, "the daemon's answer was cut off: run credward status");
	answer.length = used - (size_t)(answer.body - bytes);
}

struct answer *request_exchange(int descriptor, struct text *question, const struct text *body)
{
	struct pollfd watched = { descriptor, POLLIN, 0 };

	await("the daemon did not answer in time: run credward status");
	send_question(descriptor, question, body);
	(void)poll(&watched, 1, -1);
#ifdef __linux__
	/* The answer is here, so we were attested (MUST 4); from now on a secret may be in memory. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	while (!is_whole()) {
		ssize_t count;

		if (used == ANSWER_ROOM)
			garbled("it is too long");
		count = recv(descriptor, bytes + used, ANSWER_ROOM - used, 0);
		if (count <= 0) {
			read_end();
			break;
		}
		used += (size_t)count;
	}
	return &answer;
}
