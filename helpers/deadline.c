/*
 * deadline.c: waiting, never longer than until the deadline.
 */
#include "deadline.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

/* Again and again: the first one may come just before the call that is to be interrupted. */
#define INTERRUPT_EVERY_US 50000

int64_t now_ms(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t left_ms(int64_t end)
{
	int64_t left = end - now_ms();

	return left > 0 ? left : 0;
}

bool wait_for(int descriptor, short events, int64_t end)
{
	struct pollfd watched = { descriptor, events, 0 };

	for (;;) {
		int64_t left = left_ms(end);
		int ready = poll(&watched, 1, left > INT_MAX ? INT_MAX : (int)left);

		if (ready > 0)
			return true;
		if (left == 0 || (ready < 0 && errno != EINTR))
			return false;
	}
}

void sleep_ms(int64_t milliseconds)
{
	struct timespec nap = { (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000 };

	(void)nanosleep(&nap, NULL);
}

static void notice(int number)
{
	(void)number;
}

/* Whoever started us may have had SIGALRM ignored or blocked, and both are inherited. */
static void alarm_at(int64_t end, suseconds_t again_us, void (*handler)(int))
{
	int64_t left = left_ms(end) > 0 ? left_ms(end) : 1;
	struct itimerval timer = { { 0, again_us },
		{ (time_t)(left / 1000), (suseconds_t)(left % 1000) * 1000 } };
	struct sigaction action = { .sa_handler = handler }; /* no SA_RESTART */
	sigset_t alarms;

	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void interrupt_at(int64_t end)
{
	alarm_at(end, INTERRUPT_EVERY_US, notice);
}

void die_at(int64_t end)
{
	alarm_at(end, 0, SIG_DFL);
}

void live_on(void)
{
	struct itimerval none = { { 0, 0 }, { 0, 0 } };

	(void)setitimer(ITIMER_REAL, &none, NULL);
}
