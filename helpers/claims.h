/*
 * claims.h: what the caller's environment says about where a token will go and how long it will
 * be kept.
 */
#ifndef CREDWARD_CLAIMS_H
#define CREDWARD_CLAIMS_H

#include "text.h"

/*
 * Add cache_ttl (only for the format "token", which is what apiKeyHelper asks for), client_base_url,
 * client_flags, in_tool and mcp_server (only for "headers") to a query, each with a leading '&'.
 * `base_url` from the command line wins.
 */
void claims_add(struct text *query, const char *base_url, const char *format);

/* The name of each variable that says where requests go, from 0 on; NULL behind the last one. */
const char *claims_variable(size_t index);

/* The value of an environment variable, NULL when unset or empty. */
const char *variable(const char *name);

#endif
