/*
 * start.h: have the daemon started when it is not running.
 */
#ifndef CREDWARD_START_H
#define CREDWARD_START_H

#include "failure.h"
#include "paths.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether this caller leaves it to us to have one started; if not, `failure` says what to type.
 * `forbidden`: the command line says no. */
bool start_allowed(const struct places *places, bool forbidden, struct failure *failure);

/* Have it started, or found, and return a connection to it, -1 with `failure` noted. */
int start_and_connect(const struct places *places, int64_t end, struct failure *failure);

#endif
