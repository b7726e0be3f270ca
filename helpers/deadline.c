/*
 * deadline.c: the clock and the alarm.
 */
#include "helper.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

/* Again and again: the first one may come just before the call that is to be interrupted. */
#define AGAIN_US 50000

static int64_t deadline;

static int64_t now_ms(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void deadline_set(int64_t milliseconds)
{
	deadline = now_ms() + milliseconds;
}

int64_t left_ms(void)
{
	int64_t left = deadline - now_ms();

	return left > 0 ? left : 0;
}

void alarm_in(int64_t milliseconds, void (*handler)(int))
{
	struct itimerval timer = { { 0, AGAIN_US },
		{ (time_t)(milliseconds / 1000), (suseconds_t)(milliseconds % 1000) * 1000 } };
	struct sigaction action = { .sa_handler = handler }; /* no SA_RESTART */
	sigset_t alarms;

	/* No time at all would mean no alarm. */
	if (milliseconds <= 0)
		timer.it_value = (struct timeval){ 0, 1 };
	/* Whoever started us may have had SIGALRM ignored or blocked, and both are inherited. */
	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}
