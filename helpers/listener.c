/*
 * listener.c: who listens at the other end of a TCP connection on this machine, by the kernel
 * (sock_diag(7)). The question of credward/callers/sock_diag.py.
 */
#include "helper.h"

#include <unistd.h>
#ifdef __linux__
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h, which do not come with a C library. */
#define NETLINK_SOCK_DIAG 4
#define SOCK_DIAG_BY_FAMILY 20
#define NLMSG_ERROR 2
#define NLM_F_REQUEST 1
#define NO_COOKIE 0xffffffffu

struct head {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, pid;
};

struct socket_id {
	uint16_t from_port, to_port;
	uint32_t from[4], to[4];
	uint32_t interface, cookie[2];
};

struct question {
	struct head head;
	uint8_t family, protocol, more, padding;
	uint32_t states;
	struct socket_id id;
};

struct answer_about {
	struct head head;
	uint8_t family, state, timer, retransmits;
	struct socket_id id;
	uint32_t expires, received, sent, uid, inode;
};

static void place(const struct sockaddr_storage *from, uint16_t *to_port, uint32_t to[4])
{
	const struct sockaddr_in6 *long_one = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *short_one = (const struct sockaddr_in *)from;

	if (from->ss_family == AF_INET6) {
		*to_port = long_one->sin6_port;
		memcpy(to, &long_one->sin6_addr, sizeof(long_one->sin6_addr));
	} else {
		*to_port = short_one->sin_port;
		memcpy(to, &short_one->sin_addr, sizeof(short_one->sin_addr));
	}
}

/* Look for the socket at `there` that is connected to `here`, NULL: that listens. Return whether there
 * is one that a process has, and its user. */
static bool owner_of(
	const struct sockaddr_storage *there, const struct sockaddr_storage *here, uid_t *owner)
{
	struct question question = {
		.head = { .length = sizeof(question), .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST },
		.family = (uint8_t)there->ss_family,
		.protocol = IPPROTO_TCP,
		.states = ~0u,
		.id = { .cookie = { NO_COOKIE, NO_COOKIE } },
	};
	union {
		struct answer_about about;
		char bytes[4096];
	} answer;
	int kernel = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t count = -1;

	place(there, &question.id.from_port, question.id.from);
	if (here != NULL)
		place(here, &question.id.to_port, question.id.to);
	/* It answers at once, before `send` returns. */
	if (kernel >= 0 && send(kernel, &question, sizeof(question), 0) > 0)
		count = recv(kernel, &answer, sizeof(answer), MSG_DONTWAIT);
	if (kernel >= 0)
		(void)close(kernel);
	if (count < (ssize_t)sizeof(answer.about) || answer.about.head.type == NLMSG_ERROR)
		return false;
	*owner = answer.about.uid;
	/* Of a socket that no process has, the kernel knows no user: it says 0 for both. */
	return answer.about.inode != 0;
}

enum listener listener_of(int descriptor)
{
	struct sockaddr_storage there = { 0 }, here = { 0 };
	socklen_t there_length = sizeof(there), here_length = sizeof(here);
	uid_t owner = 0;
	bool known;

	if (getpeername(descriptor, (struct sockaddr *)&there, &there_length) != 0
		|| getsockname(descriptor, (struct sockaddr *)&here, &here_length) != 0)
		return LISTENER_UNKNOWN;
	/* Until it is accepted, the socket at the other end belongs to who listens. */
	known = owner_of(&there, NULL, &owner);
	if (known && !is_ours(owner))
		return LISTENER_OF_OTHERS;
	if (owner_of(&there, &here, &owner))
		return is_ours(owner) ? LISTENER_OURS : LISTENER_OF_OTHERS;
	return known ? LISTENER_OURS : LISTENER_UNKNOWN;
}
#else
enum listener listener_of(int descriptor)
{
	(void)descriptor;
	return LISTENER_OURS;
}
#endif
