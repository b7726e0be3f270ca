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
	const char *addresses[2]; /* of this machine; none: it is the one around */
} hosts[] = {
	{ "127.0.0.1", { "127.0.0.1" } },
	{ "localhost", { "127.0.0.1", "::1" } },
	{ "[::1]", { "::1" } },
	{ "host.docker.internal", { NULL } },
	{ "host.containers.internal", { NULL } },
	{ "host.lima.internal", { NULL } },
};

#define HOST_COUNT (sizeof(hosts) / sizeof(hosts[0]))

/* Networks that end at a router (RFC 1918, 3927, 6598, 4193, 4291): such a host is near. */
static const struct {
	const char *network;
	unsigned bits;
} near_networks[] = {
	{ "10.0.0.0", 8 },
	{ "172.16.0.0", 12 },
	{ "192.168.0.0", 16 },
	{ "169.254.0.0", 16 },
	{ "100.64.0.0", 10 },
	{ "127.0.0.0", 8 },
	{ "fc00::", 7 },
	{ "fe80::", 10 },
	{ "::1", 128 },
};

#define NEAR_COUNT (sizeof(near_networks) / sizeof(near_networks[0]))

static char bearer[128];

/* Host and port of the URL. */
static size_t host;
static char port[6];

bool remote_is_named(void)
{
	return variable("CREDWARD_URL") != NULL && variable("CREDWARD_SOCKET") == NULL;
}

static void read_url(void)
{
	const char *url = variable("CREDWARD_URL");
	const char *at = strncmp(url, SCHEME, strlen(SCHEME)) == 0 ? url + strlen(SCHEME) : "";

	for (host = 0; host < HOST_COUNT; host++) {
		size_t length = strlen(hosts[host].name), digits;

		if (strncmp(at, hosts[host].name, length) != 0 || at[length] != ':')
			continue;
		at += length + 1;
		digits = strspn(at, "0123456789");
		if (digits == 0 || digits > 5 || strcmp(at + digits + (at[digits] == '/'), "") != 0)
			break;
		memcpy(port, at, digits);
		port[digits] = '\0';
		if (atoi(port) == 0 || atoi(port) > 65535)
			break;
		return;
	}
	fail(CODE_FIX_CONFIGURATION,
		"CREDWARD_URL is not http://127.0.0.1:PORT or another name of this machine" REMEDY);
}

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
	text_add(head, hosts[host].name);
	text_add(head, ":");
	text_add(head, port);
	text_add(head, "\r\nAuthorization: Bearer ");
	text_add(head, bearer);
	wipe(bearer, sizeof(bearer));
}

/* Whether the first `bits` bits are the same. */
static bool begins_alike(const unsigned char *one, const unsigned char *other, unsigned bits)
{
	unsigned left = bits % 8, bytes = bits / 8;

	return memcmp(one, other, bytes) == 0
		&& (left == 0 || ((one[bytes] ^ other[bytes]) >> (8 - left)) == 0);
}

static bool is_near(int family, const unsigned char *address)
{
	unsigned char network[16];

	for (size_t i = 0; i < NEAR_COUNT; i++)
		if (inet_pton(family, near_networks[i].network, network) == 1
			&& begins_alike(address, network, near_networks[i].bits))
			return true;
	return false;
}

/* Connect to an address in text, if it is one, and near. */
static int connect_to(const char *address)
{
	struct sockaddr_in6 long_one = { .sin6_family = AF_INET6 };
	struct sockaddr_in short_one = { .sin_family = AF_INET };
	const struct sockaddr *place = (const struct sockaddr *)&short_one;
	socklen_t length = sizeof(short_one);
	int descriptor;

	if (inet_pton(AF_INET, address, &short_one.sin_addr) == 1) {
		short_one.sin_port = htons((uint16_t)atoi(port));
		if (!is_near(AF_INET, (const unsigned char *)&short_one.sin_addr))
			return -1;
	} else if (inet_pton(AF_INET6, address, &long_one.sin6_addr) == 1) {
		long_one.sin6_port = htons((uint16_t)atoi(port));
		if (!is_near(AF_INET6, (const unsigned char *)&long_one.sin6_addr))
			return -1;
		place = (const struct sockaddr *)&long_one;
		length = sizeof(long_one);
	} else {
		return -1;
	}
	descriptor = socket(place->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor >= 0 && connect(descriptor, place, length) == 0)
		return descriptor;
	if (descriptor >= 0)
		(void)close(descriptor);
	return -1;
}

/* Connect by the file of names (hosts(5)); `found`: the name is in it. */
static int connect_as_written(const char *name, bool *found)
{
	static char names[64 * 1024];
	ssize_t count = file_read("/etc/hosts", names, sizeof(names) - 1);
	int descriptor = -1;
	char *rest_of_lines = names, *line;

	names[count > 0 ? count : 0] = '\0';
	while (descriptor < 0 && (line = strtok_r(rest_of_lines, "\n", &rest_of_lines)) != NULL) {
		char *rest = line, *address, *word;

		line[strcspn(line, "#")] = '\0';
		address = strtok_r(rest, " \t\r", &rest);
		while (address != NULL && (word = strtok_r(rest, " \t\r", &rest)) != NULL)
			if (strcmp(word, name) == 0) {
				*found = true;
				descriptor = connect_to(address);
				break;
			}
	}
	return descriptor;
}

static int connect_around(const char *name)
{
	bool found = false;
	int descriptor = connect_as_written(name, &found);

	if (found)
		return descriptor;
#ifdef CREDWARD_NO_NAMES
	fail(CODE_FIX_CONFIGURATION, "this build of credward-helper cannot look up \"", name,
		"\" in CREDWARD_URL: write it into /etc/hosts, or install musl-gcc and reinstall");
#else
	struct addrinfo wish = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	char whole[64], address[INET6_ADDRSTRLEN];
	struct text text = TEXT_IN(whole);

	/* With the last dot it is this name, whatever a variable adds to names (resolver(5)). */
	text_add(&text, name);
	text_add(&text, ".");
	if (getaddrinfo(whole, NULL, &wish, &all) != 0)
		return -1;
	for (struct addrinfo *each = all; each != NULL && descriptor < 0; each = each->ai_next)
		if (getnameinfo(each->ai_addr, each->ai_addrlen, address, sizeof(address), NULL, 0,
				NI_NUMERICHOST)
			== 0)
			descriptor = connect_to(address);
	freeaddrinfo(all);
	return descriptor;
#endif
}

static void check_listener(int descriptor)
{
	enum listener listener = listener_of(descriptor);

	if (listener == LISTENER_OF_OTHERS)
		fail(CODE_FIX_CONFIGURATION, hosts[host].name, ":", port,
			" is served by another user, so it is not trusted: unset CREDWARD_URL");
	if (listener == LISTENER_UNKNOWN)
		fail(CODE_FIX_CONFIGURATION, "the kernel does not say who serves ", hosts[host].name, ":",
			port, ", so it is not trusted: unset CREDWARD_URL");
}

int remote_connect(void)
{
	int descriptor = -1;

	read_url();
	read_bearer();
	await("no daemon answers in time where CREDWARD_URL leads: start that one, "
		  "or unset CREDWARD_URL");
	if (hosts[host].addresses[0] == NULL) {
		if (daemon_connect() >= 0)
			fail(CODE_FIX_CONFIGURATION, "CREDWARD_URL leads out of this machine, which has a "
				"daemon of its own: unset CREDWARD_URL");
		failure_forget();
		descriptor = connect_around(hosts[host].name);
	}
	for (size_t i = 0; i < 2 && descriptor < 0 && hosts[host].addresses[i] != NULL; i++) {
		descriptor = connect_to(hosts[host].addresses[i]);
		if (descriptor >= 0)
			check_listener(descriptor);
	}
	if (descriptor < 0)
		fail(CODE_NOT_RUNNING, "no daemon answers at ", hosts[host].name, ":", port,
			", which CREDWARD_URL names: start that one, or unset CREDWARD_URL");
	return descriptor;
}
