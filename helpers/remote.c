/*
 * remote.c: the endpoint that CREDWARD_URL names, for containers and virtual machines that cannot
 * share the daemon's socket.
 *
 * The variables may come from a repository, so they MUST lead nowhere but to this machine, or to the
 * one that runs this container or virtual machine; and no file MUST be sent there but one that the
 * daemon made for it. The rules of credward/remote.py.
 */
#include "helper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#ifndef CREDWARD_NO_NAMES
#include <netdb.h>
#endif

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

#define SCHEME "http://"
#define PREFIX "credward_"
#define RANDOM_LENGTH 43
#define REMEDY ": set it as credward status --endpoints shows"

/* What is called so is this machine, or the one around it: Docker Desktop, Podman, Lima. */
static const struct {
	const char *name;
	const char *addresses[2]; /* none: the resolver of this place knows it */
} hosts[] = {
	{ "127.0.0.1", { "127.0.0.1" } },
	{ "localhost", { "127.0.0.1", "::1" } },
	{ "[::1]", { "::1" } },
	{ "host.docker.internal", { NULL } },
	{ "host.containers.internal", { NULL } },
	{ "host.lima.internal", { NULL } },
};

static char bearer[128];

#define HOST_COUNT (sizeof(hosts) / sizeof(hosts[0]))

bool remote_is_named(void)
{
	return variable("CREDWARD_URL") != NULL && variable("CREDWARD_SOCKET") == NULL;
}

/* Split CREDWARD_URL: return the index of its host, and put its port there as digits. */
static size_t read_url(char port[6])
{
	const char *url = variable("CREDWARD_URL");
	const char *at = strncmp(url, SCHEME, strlen(SCHEME)) == 0 ? url + strlen(SCHEME) : "";

	for (size_t i = 0; i < HOST_COUNT; i++) {
		size_t length = strlen(hosts[i].name), digits;

		if (strncmp(at, hosts[i].name, length) != 0 || at[length] != ':')
			continue;
		at += length + 1;
		digits = strspn(at, "0123456789");
		if (digits == 0 || digits > 5 || strcmp(at + digits + (at[digits] == '/'), "") != 0)
			break;
		memcpy(port, at, digits);
		port[digits] = '\0';
		if (atoi(port) == 0 || atoi(port) > 65535)
			break;
		return i;
	}
	fail(CODE_FIX_CONFIGURATION,
		"CREDWARD_URL is not http://127.0.0.1:PORT or another name of this machine" REMEDY);
}

/* Read the token of the endpoint. */
static void read_bearer(void)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *path = variable("CREDWARD_TOKEN_FILE");
	ssize_t count;

	if (path == NULL)
		fail(CODE_FIX_CONFIGURATION,
			"CREDWARD_URL is set and CREDWARD_TOKEN_FILE is not" REMEDY);
	await("the file in CREDWARD_TOKEN_FILE cannot be read in time: check its file system");
	count = file_read(path, bearer, sizeof(bearer) - 1);
	if (count < 0)
		fail(CODE_FIX_CONFIGURATION, "the file in CREDWARD_TOKEN_FILE cannot be read (",
			strerror(errno), ")" REMEDY);
	while (count > 0 && strchr(" \t\r\n", bearer[count - 1]) != NULL)
		count--;
	bearer[count] = '\0';
	if (strncmp(bearer, PREFIX, strlen(PREFIX)) != 0
		|| strspn(bearer + strlen(PREFIX), allowed) != RANDOM_LENGTH
		|| bearer[strlen(PREFIX) + RANDOM_LENGTH] != '\0')
		fail(CODE_FIX_CONFIGURATION,
			"the file in CREDWARD_TOKEN_FILE is not the token of an endpoint" REMEDY);
}

void remote_add(struct text *head)
{
	char port[6];
	size_t host = read_url(port);

	text_add(head, hosts[host].name);
	text_add(head, ":");
	text_add(head, port);
	text_add(head, "\r\nAuthorization: Bearer ");
	text_add(head, bearer);
	wipe(bearer, sizeof(bearer));
}

static int connect_to(const struct sockaddr *address, socklen_t length)
{
	int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (descriptor >= 0 && connect(descriptor, address, length) == 0)
		return descriptor;
	if (descriptor >= 0)
		(void)close(descriptor);
	return -1;
}

static int connect_numeric(const char *host, const char *port)
{
	struct sockaddr_in6 long_one = { .sin6_family = AF_INET6 };
	struct sockaddr_in short_one = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, host, &short_one.sin_addr) == 1) {
		short_one.sin_port = htons((uint16_t)atoi(port));
		return connect_to((struct sockaddr *)&short_one, sizeof(short_one));
	}
	(void)inet_pton(AF_INET6, host, &long_one.sin6_addr);
	long_one.sin6_port = htons((uint16_t)atoi(port));
	return connect_to((struct sockaddr *)&long_one, sizeof(long_one));
}

static int connect_by_name(const char *host, const char *port)
{
#ifdef CREDWARD_NO_NAMES
	(void)port;
	fail(CODE_FIX_CONFIGURATION, "this build of credward-helper cannot look up \"", host,
		"\" in CREDWARD_URL: write its address, or install musl-gcc and reinstall");
#else
	struct addrinfo wish = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	int descriptor = -1;

	if (getaddrinfo(host, port, &wish, &found) != 0)
		return -1;
	for (struct addrinfo *each = found; each != NULL && descriptor < 0; each = each->ai_next)
		descriptor = connect_to(each->ai_addr, each->ai_addrlen);
	freeaddrinfo(found);
	return descriptor;
#endif
}

int remote_connect(void)
{
	char port[6];
	size_t host = read_url(port);
	int descriptor = -1;

	read_bearer();
	await("no daemon answers in time where CREDWARD_URL leads: start that one, "
		  "or unset CREDWARD_URL");
	for (size_t i = 0; i < 2 && descriptor < 0 && hosts[host].addresses[i] != NULL; i++)
		descriptor = connect_numeric(hosts[host].addresses[i], port);
	if (hosts[host].addresses[0] == NULL)
		descriptor = connect_by_name(hosts[host].name, port);
	if (descriptor < 0)
		fail(CODE_NOT_RUNNING, "no daemon answers at ", hosts[host].name, ":", port,
			", which CREDWARD_URL names: start that one, or unset CREDWARD_URL");
	return descriptor;
}
