/*
 * load: how many requests a second a credward socket answers, and how quickly.
 *
 *   load SOCKET PATH CLIENTS SECONDS [keepalive]
 *
 * One thread, epoll, CLIENTS connections at a time; each makes a new connection per request
 * unless `keepalive` is given. Prints one JSON object. An answer other than 200, a connection
 * that is refused or reset, and an answer without a body are counted as errors.
 *
 *   cc -O2 -Wall -Wextra -o load load.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 4096, ANSWER = 65536, BUCKETS = 1000000 };

struct client {
	int fd;
	uint64_t begun;
	size_t got;
	char answer[ANSWER];
};

static struct client *clients;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static char question[4096];
static size_t question_length;
static bool keepalive;
static int poller;
static uint64_t requests, errors;
static uint32_t *histogram; /* one bucket per microsecond */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void ask(struct client *c)
{
	c->got = 0;
	if (send(c->fd, question, question_length, MSG_NOSIGNAL) != (ssize_t)question_length)
		errors++;
}

static void join(struct client *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	/* Blocking: a full queue makes us wait, as it does a helper. */
	if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
		die("connect");
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
		die("epoll_ctl");
}

static void begin(struct client *c)
{
	c->begun = now_ns();
	if (!keepalive || c->fd < 0)
		join(c);
	ask(c);
}

static void note(struct client *c, bool good)
{
	uint64_t us = (now_ns() - c->begun) / 1000;

	requests++;
	if (!good)
		errors++;
	histogram[us < BUCKETS ? us : BUCKETS - 1]++;
}

/* Returns whether a whole answer with a Content-Length is there. */
static bool whole(const struct client *c)
{
	const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);
	const char *length = end ? memmem(c->answer, c->got, "Content-Length: ", 16) : NULL;

	if (!length || length > end)
		return false;
	return c->got >= (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10);
}

static void readable(struct client *c)
{
	ssize_t n = recv(c->fd, c->answer + c->got, ANSWER - 1 - c->got, 0);
	bool over;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		c->got += (size_t)n;
		c->answer[c->got] = 0;
	}
	over = keepalive ? whole(c) || n <= 0 : n <= 0;
	if (!over)
		return;
	note(c, whole(c) && !strncmp(c->answer, "HTTP/1.1 200 ", 13));
	if (!keepalive || n <= 0) {
		close(c->fd);
		c->fd = -1;
	}
	begin(c);
}

static uint64_t percentile(double share)
{
	uint64_t wanted = (uint64_t)((double)requests * share), seen = 0;

	for (uint64_t us = 0; us < BUCKETS; us++)
		if ((seen += histogram[us]) >= wanted)
			return us;
	return BUCKETS;
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	uint64_t start, end;
	double seconds;
	int count;

	if (argc < 5 || strlen(argv[1]) >= sizeof address.sun_path)
		return fprintf(stderr, "usage: load SOCKET PATH CLIENTS SECONDS [keepalive]\n"), 64;
	count = atoi(argv[3]);
	if (count < 1 || count > MAX_CLIENTS)
		return fprintf(stderr, "load: 1 to %d clients\n", MAX_CLIENTS), 64;
	strcpy(address.sun_path, argv[1]);
	keepalive = argc > 5 && !strcmp(argv[5], "keepalive");
	question_length = (size_t)snprintf(question, sizeof question,
		"GET %s HTTP/1.1\r\nHost: credward\r\nAccept: text/plain\r\n%s\r\n",
		argv[2], keepalive ? "" : "Connection: close\r\n");
	clients = calloc((size_t)count, sizeof *clients);
	histogram = calloc(BUCKETS, sizeof *histogram);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!clients || !histogram || poller < 0)
		die("load");
	start = now_ns();
	end = start + (uint64_t)(atof(argv[4]) * 1e9);
	for (int i = 0; i < count; i++) {
		clients[i].fd = -1;
		begin(&clients[i]);
	}
	while (now_ns() < end) {
		int n = epoll_wait(poller, events, 256, 100);

		for (int i = 0; i < n; i++)
			readable(events[i].data.ptr);
	}
	seconds = (double)(now_ns() - start) / 1e9;
	printf("{\"requests\": %llu, \"seconds\": %.3f, \"rps\": %.0f, \"p50_us\": %llu, "
	       "\"p99_us\": %llu, \"errors\": %llu}\n",
	       (unsigned long long)requests, seconds, (double)requests / seconds,
	       (unsigned long long)percentile(0.50), (unsigned long long)percentile(0.99),
	       (unsigned long long)errors);
	return 0;
}
