/*
 * deadline.h: one instant by which all is over, on the clock that no one sets.
 */
#ifndef CREDWARD_DEADLINE_H
#define CREDWARD_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t now_ms(void);

/* Milliseconds until `end`, never negative. */
int64_t left_ms(int64_t end);

/* Wait until `descriptor` is ready for `events` (poll(2)); false when `end` came first. */
bool wait_for(int descriptor, short events, int64_t end);

void sleep_ms(int64_t milliseconds);

/* Interrupt (EINTR) a call that blocks at `end` or later: of a descriptor that others share we must
 * not change whether it blocks. */
void interrupt_at(int64_t end);

/* End the process by SIGALRM at `end`, unless live_on() comes first. A call that waits for a file
 * system that does not answer is ended by nothing else: the kernel runs no handler in there. */
void die_at(int64_t end);
void live_on(void);

#endif
