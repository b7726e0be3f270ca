/*
 * credward-helper: prints one short-lived credential of the credward daemon. Harnesses and SDKs call
 * it often, with any environment and descriptors.
 *
 * 1. Standard output MUST hold the credential and nothing else, or stay empty; exit 0 only with a
 *    credential. With --status: the status. In the format "gcp-executable" a failure is an answer
 *    too, because its readers show no other.
 * 2. For the format "token" it MUST be one token of printable ASCII (0x21-0x7E), at most 16,384
 *    characters.
 * 3. Standard input MUST never be read: harnesses keep it open and never close it.
 * 4. The process MUST stay dumpable until the answer arrived: the daemon attests its executable
 *    before it answers.
 * 5. After a secret was read, nothing MUST be allocated, and the buffer MUST be wiped before the
 *    exit.
 * 6. All waiting MUST end at one deadline, even the wait for a reader of our output; harnesses give
 *    5 s and hang on what outlives them. So a child waits for file systems (folder.c); only that of
 *    the working directory itself may block us longer, if the kernel delivers no signal there.
 * 7. A socket that another user could have made MUST NOT be trusted (paths.c).
 * 8. Standard error MUST be one line of at most 500 characters with cause and command; hints only
 *    on a terminal. One end has no message: by SIGALRM, if the file system of the working directory
 *    does not answer (folder.c).
 * 9. A worker of the daemon MUST be refused: it would wait for its own flight.
 * 10. If settings of a repository or variables could send the token elsewhere, the daemon MUST
 *     have checked them (folder.c, claims.c).
 */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define TOKEN_LIMIT 16384
#define DEFAULT_TIMEOUT_MS 4000

static char question_bytes[QUESTION_ROOM];
static struct text question = TEXT_IN(question_bytes);

/* Write method and target; return whether the daemon must have checked the variables. The remaining
 * time is sent too: the daemon answers before it ends. */
static bool write_question(const struct options *options, bool has_body)
{
	/* Full tenths: the cost of a start shows, a short delay of the scheduler does not. */
	unsigned long long tenths = (unsigned long long)(left_ms() + 50) / 100;
	bool decides;

	if (tenths == 0)
		tenths = 1;
	text_add(&question, has_body ? "POST" : "GET");
	text_add(&question, " /v1/credentials/");
	for (size_t i = 0; i < options->count; i++) {
		text_add(&question, i > 0 ? "," : "");
		text_add_encoded(&question, options->names[i], "%");
	}
	text_add(&question, "/");
	text_add(&question, options->format);
	text_add(&question, "?timeout=");
	text_add_number(&question, tenths / 10);
	text_add(&question, ".");
	text_add_number(&question, tenths % 10);
	decides = claims_add(&question, options->base_url, options->format);
	if (options->cache_ttl != NULL) {
		text_add(&question, "&cache_ttl=");
		text_add(&question, options->cache_ttl);
	}
	if (options->min_remaining != NULL) {
		text_add(&question, "&min_remaining=");
		text_add(&question, options->min_remaining);
	}
	return decides;
}

/* Whether the body is one token, with the newline that shows that it is complete. */
static bool is_token(const struct answer *answer)
{
	size_t length = answer->length;

	if (length > 0 && answer->body[length - 1] == '\n')
		length--;
	else if (!answer->measured)
		return false;
	if (length == 0 || length > TOKEN_LIMIT)
		return false;
	for (size_t i = 0; i < length; i++)
		if (answer->body[i] < 0x21 || answer->body[i] > 0x7e)
			return false;
	return true;
}

/* Other processes share the descriptor, so we must not make it non-blocking. */
static void print_all(const char *bytes, size_t count)
{
	struct pollfd watched = { STDOUT_FILENO, POLLOUT, 0 };

	alarm_only_interrupts = 1;
	/* Behind a part of a credential nobody would read it. */
	failure_is_answer = false;
	while (count > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, count);

		if (written >= 0) {
			bytes += written;
			count -= (size_t)written;
			continue;
		}
		if (errno == EAGAIN)
			(void)poll(&watched, 1, -1);
		else if (errno != EINTR)
			fail(CODE_INTERNAL, "standard output cannot be written: check who reads it");
		if (left_ms() == 0)
			fail(CODE_TIMED_OUT, "writing to standard output timed out: check who reads it");
	}
}

static _Noreturn void refuse(const struct answer *answer)
{
	int code = failure_code(answer->kind, answer->status);

	if (answer->plain && answer->length > 0 && answer->body[0] != '\n')
		fail_quoting(code, answer->body, answer->length);
	fail(code, "the daemon refused", answer->kind[0] != '\0' ? " with " : "", answer->kind,
		": run credward status");
}

/* Print a credential. The body may hold a secret: it enters no message on success. */
static void print_credential(const struct options *options, struct answer *answer)
{
	bool token = strcmp(options->format, "token") == 0;

	if (answer->length == 0 || (token && !is_token(answer)))
		fail(CODE_INTERNAL, "the daemon's answer is not ",
			token ? "one token of printable ASCII" : "a credential",
			": run credward --version and reinstall if helper and daemon differ");
	if (token && answer->body[answer->length - 1] != '\n')
		answer->body[answer->length++] = '\n';
	print_all(answer->body, answer->length);
}

/* --check: 0 is yes, 1 is no; a daemon that cannot be asked is not ready. */
static void ask_readiness(void)
{
	failure_means_no = true;
	end_in(left_ms());
	text_add(&question, "GET /v1/ready");
	if (request_exchange(daemon_reach(true), &question, NULL)->status != 200)
		fail(CODE_NO, "the daemon is not ready: run credward status");
}

/* --status: for `credward status`, which never starts a daemon. */
static void ask_status(const char *look)
{
	const struct answer *answer;

	end_in(left_ms());
	status_ask_for(&question, look);
	answer = request_exchange(daemon_reach(true), &question, NULL);
	if (answer->status != 200)
		refuse(answer);
	if (!status_is_text(answer))
		fail(CODE_INTERNAL,
			"the daemon is of another version than this helper and writes no status: "
			"run credward daemon restart");
	print_all(answer->body, answer->length);
}

/* An older daemon does not check what we send, and hands the token out anyway. */
static void check_judged(const struct answer *answer, bool has_body, bool decides)
{
	const char *missed = NULL;

	if (has_body && !answer->folder_judged)
		missed = "the .claude/settings.json here";
	else if (decides && !answer->variables_judged)
		missed = "the environment";
	if (missed != NULL)
		fail(CODE_FIX_CONFIGURATION, "the daemon is older than this helper and does not check ",
			missed, ": run credward daemon restart");
}

static void ask(const struct options *options)
{
	const struct text *body;
	struct answer *answer;
	bool decides;
	int descriptor;

	failure_is_answer = strcmp(options->format, "gcp-executable") == 0;
	body = look_around();
	claims_look();
	end_in(left_ms());
	descriptor = daemon_reach(options->no_start);
	decides = write_question(options, body != NULL);
	answer = request_exchange(descriptor, &question, body);
	if (answer->status != 200)
		refuse(answer);
	check_judged(answer, body != NULL, decides);
	print_credential(options, answer);
}

int main(int count, char **arguments)
{
	struct options options = { .format = "token", .timeout_ms = DEFAULT_TIMEOUT_MS };

	(void)count;
	deadline_set(DEFAULT_TIMEOUT_MS);
	read_arguments(&options, arguments);
	if (options.print != NULL) {
		end_in(left_ms());
		print_all(options.print, strlen(options.print));
		leave();
	}
	if (variable("CREDWARD_WORKER") != NULL)
		fail(CODE_RECURSION,
			"a worker of the daemon asked the daemon: give the credential "
			"being minted a source that does not run credward");
	deadline_set(options.timeout_ms);
	if (options.check != NULL)
		ask_readiness();
	else if (options.status != NULL)
		ask_status(options.status);
	else
		ask(&options);
	leave();
}
