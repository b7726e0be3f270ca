/*
 * start.h: start the daemon when nobody listens.
 */
#ifndef CREDWARD_START_H
#define CREDWARD_START_H

#include "failure.h"
#include "places.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether this caller may start a daemon here; false: `failure` says what to type instead. */
bool start_allowed(const struct places *places, bool forbidden, struct failure *failure);

/* Start it, or wait for another helper that does, until a place answers. The connected
 * descriptor, or -1. */
int start_and_connect(const struct places *places, int64_t end, struct failure *failure);

#endif
