/*
 * helper.h: what the files of this program share. There is one run, so there is one deadline, one
 * failure and one secret: they are not passed as arguments.
 */
#ifndef CREDWARD_HELPER_H
#define CREDWARD_HELPER_H

#include "exit_codes.h"
#include "text.h"

#include <signal.h>
#include <sys/types.h>

#ifndef CREDWARD_VERSION
#define CREDWARD_VERSION "dev"
#endif

/* The variable that chooses the credential for one call. */
#define CHOICE "CREDWARD_CREDENTIAL"

/* What a harness shows of us: Claude Code cuts standard error at 500 characters. */
#define LINE_LIMIT 500

/* The daemon reads a head of 16 KiB. */
#define QUESTION_ROOM 15000

/* The body of a request. */
#define FOLDER_MEDIA_TYPE "application/vnd.credward.folder"

/* arguments.c: read a NULL-terminated argument vector into `options`, which holds the defaults. */
#define MOST_NAMES 8

struct options {
	const char *names[MOST_NAMES]; /* several for a format that holds several credentials */
	size_t count;
	const char *format;
	const char *min_remaining, *cache_ttl; /* numbers of seconds; NULL: not given */
	const char *base_url;
	const char *check;
	const char *status; /* how the text of --status shall look, as a query */
	const char *timeout;
	int64_t timeout_ms;
	bool no_start;
	const char *print; /* the text for --help or --version; then the others are not checked */
};

void read_arguments(struct options *options, char **arguments);

/* claims.c: the value of an environment variable, NULL when unset or empty. */
const char *variable(const char *name);

/* Read the file of further certificate authorities, if there is one, for claims_add. Ends us if half
 * of the time is not enough. */
void claims_look(void);

/* Add the base URL of the command line (NULL: none), the variables and, for the format "headers",
 * the MCP server to a query. Return whether a daemon must have checked the variables. */
bool claims_add(struct text *query, const char *base_url, const char *format);

/* child.c: what to look at, `where`; `what` and `late` are for messages. */
struct look {
	void (*at)(const char *where, struct text *found);
	const char *where, *what, *late;
};

/* Put into `found` what a child finds. Ends us if half of the time is not enough. */
void look_by_child(const struct look *look, struct text *found);

/* sha256.c: add the digest, in hexadecimal. */
void text_add_sha256(struct text *text, const void *bytes, size_t count);

/* failure.c: set the end in so many milliseconds, on the clock that nobody sets. */
void deadline_set(int64_t milliseconds);
int64_t left_ms(void); /* never negative */

/* Send SIGALRM to us in so many milliseconds, instead of an earlier one. */
void alarm_in(int64_t milliseconds, void (*handler)(int));

/* Note why there is no token, in one line joined from strings. The first failure noted
 * stays: it is the cause. */
#define note(code, ...) failure_note((code), __VA_ARGS__, (const char *)NULL)
void failure_note(int code, ...) __attribute__((sentinel));

/* The exit code of what is noted, CODE_OK for nothing. */
extern int failure;

/* Forget what is noted: it was no failure. */
void failure_forget(void);

/* Whether every failure is the answer "no" to a question: --check. */
extern bool failure_means_no;

/* Note a failure and end; with fail_quoting in the daemon's own words: `length` bytes, message in
 * the first line, hint in the second. */
#define fail(code, ...) (note((code), __VA_ARGS__), leave())
_Noreturn void fail_quoting(int code, const char *words, size_t length);

/* The exit code for a kind; an unknown kind (a newer daemon) is judged by the status. */
int failure_code(const char *kind, int status);

/* Whether a failure is an answer on standard output too: the libraries of Google show our words
 * only if they are in JSON there, and the program ends with 0 (google.aip.dev/auth/4117). */
extern bool failure_is_answer;

/* End: without a word, or with what is noted (its hint only on a terminal) and its exit code. */
_Noreturn void leave(void);

/* End in so many milliseconds, with the message of the last await(): then no wait needs its own
 * deadline. */
void end_in(int64_t milliseconds);

/* Set while something is printed: then the alarm only interrupts (EINTR) a blocking call, because a
 * process that ends in between does not know whether all was printed. */
extern volatile sig_atomic_t alarm_only_interrupts;

/* The message if the next wait takes too long; the string must stay in place. */
void await(const char *words);

/* files.c: read at most `room` bytes of a regular file whose name others chose, links followed; -1
 * with errno for anything else. */
ssize_t file_read(const char *path, char *bytes, size_t room);

/* Whether the last call failed because there is no such file. */
bool file_is_missing(void);

/* Read to the end, or until there is no more room, and close. */
ssize_t read_and_close(int descriptor, char *bytes, size_t room);

/* Close this descriptor and all above. */
void close_from(int first);

/* folder.c: return the settings files of Claude Code around the working directory as the body of a
 * request, NULL if nothing is found. Ends us if half of the time is not enough: by SIGALRM if the
 * working directory itself does not answer, and not even so if the kernel delivers no signal
 * there. */
const struct text *look_around(void);

/* paths.c: connect to the first place of the search order where a daemon listens and return the
 * descriptor. Else -1, and the noted failure says why a place was refused; nothing is noted if simply
 * nobody listens. */
int daemon_connect(void);

/* Whether the uid is this user's or root's, and means one user. */
bool is_ours(uid_t uid);

/* listener.c: whether such a user's program listens at the other end of a connection on this
 * machine. On other systems than Linux the kernel does not tell, and it counts as ours. */
enum listener { LISTENER_OURS, LISTENER_OF_OTHERS, LISTENER_UNKNOWN };
enum listener listener_of(int descriptor);

/* The same for the one place `path`, which another program found. */
int daemon_connect_at(const char *path);

/* remote.c: whether CREDWARD_URL counts; connect to the endpoint that it names, and add the value of
 * the Host header and the header with its bearer. These end us if that fails. */
bool remote_is_named(void);
int remote_connect(void);
void remote_add(struct text *head);

/* request.c: ask, and read the whole answer, HTTP/1.1. `question` holds the method and the target,
 * `body` (NULL: none) is of FOLDER_MEDIA_TYPE. */
struct answer {
	int status;
	bool plain;    /* text/plain */
	bool measured; /* the body's length was announced, so that a cut one was noticed */
	bool folder_judged, variables_judged; /* the daemon checked what we sent */
	const char *kind;                     /* Credward-Kind, "" when absent */
	char *body;                           /* there is room for one more byte after it */
	size_t length;
};

struct answer *request_exchange(int descriptor, struct text *question, const struct text *body);

/* Overwrite bytes. */
void wipe(char *at, size_t length);

/* Overwrite the answer; `in_between`: while it may be arriving. */
void answer_wipe(bool in_between);

/* status.c: add the question for a status that looks so (a query). */
void status_ask_for(struct text *question, const char *look);

/* Whether the answer is text that does nothing to a terminal but write and colour. */
bool status_is_text(const struct answer *answer);

/* start.c: connect to the daemon; if it is not running start it first, unless the command line has
 * `forbidden` that. */
int daemon_reach(bool forbidden);

#endif
