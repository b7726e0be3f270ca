/*
 * exit_codes.h: the closed table of error kinds, the part that a client in C needs. The same table
 * is in broker/credward/errors.py; tests/repository/test_exit_codes.py compares both.
 */
#ifndef CREDWARD_EXIT_CODES_H
#define CREDWARD_EXIT_CODES_H

/* KIND(NAME, slug in the Credward-Kind header, HTTP status or 0 = never on the wire, exit code) */
#define CREDWARD_KINDS(KIND) \
	KIND(BAD_REQUEST, "bad-request", 400, 64) \
	KIND(LOGIN_REQUIRED, "login-required", 401, 67) \
	KIND(DENIED, "denied", 403, 77) \
	KIND(UNKNOWN_CREDENTIAL, "unknown-credential", 404, 78) \
	KIND(PROVIDER_REFUSED, "provider-refused", 502, 76) \
	KIND(PROVIDER_UNREACHABLE, "provider-unreachable", 503, 75) \
	KIND(STORE_LOCKED, "store-locked", 503, 75) \
	KIND(RATE_LIMITED, "rate-limited", 429, 75) \
	KIND(TIMED_OUT, "timed-out", 504, 75) \
	KIND(APPROVAL_REQUIRED, "approval-required", 403, 66) \
	KIND(FIX_CONFIGURATION, "fix-configuration", 500, 78) \
	KIND(RECURSION, "recursion", 508, 78) \
	KIND(NOT_RUNNING, "not-running", 0, 69) \
	KIND(ALREADY_RUNNING, "already-running", 0, 73) \
	KIND(INTERNAL, "internal", 500, 70)

enum exit_code {
	CODE_OK = 0,
	CODE_NO = 1, /* --check: the answer to the question is no */
#define CREDWARD_CODE(name, slug, status, code) CODE_##name = (code),
	CREDWARD_KINDS(CREDWARD_CODE)
#undef CREDWARD_CODE
};

#endif
