/*
 * claims.h: what the caller's environment says about where a token will go and how long it will
 * be kept.
 */
#ifndef CREDWARD_CLAIMS_H
#define CREDWARD_CLAIMS_H

#include "text.h"

/*
 * Add the base URL of the command line (NULL: none), the variables and, for the format "headers",
 * the MCP server to a query. Return whether a daemon must have looked at the variables.
 */
bool claims_add(struct text *query, const char *base_url, const char *format);

/* The value of an environment variable, NULL when unset or empty. */
const char *variable(const char *name);

#endif
