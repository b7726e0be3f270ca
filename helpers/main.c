/*
 * credward-helper: prints one short-lived credential of the credward daemon. Called by harnesses
 * and SDKs, often, with whatever environment and descriptors they have.
 *
 * 1. Standard output MUST hold the credential and nothing else, or stay empty; exit 0 only with a
 *    credential.
 * 2. For the format "token" it MUST be one token of printable ASCII (0x21-0x7E), at most 16,384
 *    characters.
 * 3. Standard input MUST never be read: harnesses keep it open and never close it.
 * 4. The process MUST stay dumpable until the answer arrived: the daemon attests its executable
 *    before it answers.
 * 5. After a secret was read, nothing MUST be allocated, and the buffer MUST be wiped before the
 *    exit.
 * 6. All waiting MUST end at one deadline, for whoever reads what is printed too; harnesses give
 *    5 s and hang on what outlives them. So a child waits for file systems (look.c); only that of
 *    the working directory itself, where the kernel lets no signal in, may hold us for longer.
 * 7. A socket MUST NOT be trusted where another user could have put it (paths.c).
 * 8. Standard error MUST be one line of at most 500 characters with cause and command; hints only
 *    on a terminal. One end says nothing: that by SIGALRM, where the file system of the working
 *    directory does not answer (look.c).
 * 9. A worker of the daemon MUST be refused: it would wait for its own flight.
 * 10. Where settings of a repository or variables could send the token elsewhere, the daemon MUST
 *     have judged them (folder.c, claims.c).
 */
#include "arguments.h"
#include "claims.h"
#include "deadline.h"
#include "failure.h"
#include "folder.h"
#include "look.h"
#include "paths.h"
#include "request.h"
#include "start.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define TOKEN_LIMIT 16384
#define DEFAULT_TIMEOUT_MS 4000

/* The request target. The time left goes with it: the daemon answers before it is over. */
static bool write_target(const struct options *options, int64_t end, struct text *target,
	bool *decides, struct failure *failure)
{
	/* Full tenths: what a start cost shows, a scheduler's hiccup does not. */
	int64_t left = (left_ms(end) + 50) / 100 * 100;

	if (options->check != NULL) {
		text_add(target, "/v1/ready");
		return true;
	}
	text_add(target, "/v1/credentials/");
	text_add_encoded(target, options->name, "%");
	text_add(target, "/");
	text_add(target, options->format);
	text_add(target, "?timeout=");
	text_add_seconds(target, (unsigned long long)(left > 0 ? left : 100));
	*decides = claims_add(target, options->base_url, options->format);
	if (options->min_remaining != NULL) {
		text_add(target, "&min_remaining=");
		text_add_seconds(target, (unsigned long long)read_seconds(options->min_remaining));
	}
	if (target->overflow)
		failure_note(failure, CODE_BAD_REQUEST,
			"the base URL, or a variable that decides it, is too long: set a shorter one", NULL);
	return failure->code == CODE_OK;
}

/* Whether the body is one token, with the newline that shows it to be whole. */
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

static bool print_all(const char *bytes, size_t count, int64_t end, struct failure *failure)
{
	interrupt_at(end);
	while (count > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, count);

		if (written >= 0) {
			bytes += written;
			count -= (size_t)written;
		} else if (errno != EAGAIN && errno != EINTR) {
			failure_note(failure, CODE_INTERNAL,
				"standard output cannot be written: check who reads it", NULL);
			return false;
		} else if (errno == EAGAIN ? !wait_for(STDOUT_FILENO, POLLOUT, end) : left_ms(end) == 0) {
			failure_note(failure, CODE_TIMED_OUT,
				"writing to standard output timed out: check who reads it", NULL);
			return false;
		}
	}
	return true;
}

/* Print a credential, or note why there is none. The body may hold a secret: it enters no message
 * on success. */
static void use_answer(
	const struct options *options, struct answer *answer, int64_t end, struct failure *failure)
{
	bool token = strcmp(options->format, "token") == 0;

	if (answer->status != 200) {
		int code = failure_code(answer->kind, answer->status);

		if (answer->plain && answer->length > 0 && answer->body[0] != '\n')
			failure_quote(failure, code, answer->body, answer->length);
		else
			failure_note(failure, code, "the daemon refused",
				answer->kind[0] != '\0' ? " with " : "", answer->kind, ": run credward status",
				NULL);
	} else if (answer->length == 0 || (token && !is_token(answer))) {
		failure_note(failure, CODE_INTERNAL, "the daemon's answer is not ",
			token ? "one token of printable ASCII" : "a credential",
			": run credward version and reinstall if helper and daemon differ", NULL);
	} else {
		if (token && answer->body[answer->length - 1] != '\n')
			answer->body[answer->length++] = '\n';
		(void)print_all(answer->body, answer->length, end, failure);
	}
}

/* --check: 0 is yes, 1 is no; a daemon that cannot be asked is not ready. */
static int judge_readiness(const struct answer *answer, struct failure *failure)
{
	if (failure->code == CODE_OK && answer->status == 200)
		return CODE_OK;
	if (failure->code == CODE_OK)
		failure_note(failure, CODE_NO, "the daemon is not ready: run credward status", NULL);
	failure->code = CODE_NO;
	return CODE_NO;
}

static bool check_caller(struct failure *failure)
{
	if (variable("CREDWARD_WORKER") != NULL)
		failure_note(failure, CODE_RECURSION,
			"a worker of the daemon asked the daemon: give the credential "
			"being minted a source that does not run credward",
			NULL);
	return failure->code == CODE_OK;
}

static int connect_or_start(const struct options *options, int64_t end, struct failure *failure)
{
	static struct failure refused;
	struct places places;
	int descriptor;

	if (!places_find(&places, failure))
		return -1;
	descriptor = places_connect(&places, end, failure);
	if (descriptor >= 0)
		return descriptor;
	/* Why a place was refused says more than that nobody listens elsewhere or that nothing can be
	 * started. */
	refused = *failure;
	if (places_may_start(failure)
		&& start_allowed(&places, options->no_start || options->check != NULL, failure))
		return start_and_connect(&places, end, failure);
	if (refused.code != CODE_OK)
		*failure = refused;
	return -1;
}

/* A daemon of before does not look at what it was told and hands the token out all the same. */
static bool was_judged(const struct folder *folder, bool decides, const struct answer *answer,
	struct failure *failure)
{
	const char *missed = NULL;

	if (folder->body.used > 0 && !answer->folder_judged)
		missed = "the .claude/settings.json here";
	else if (decides && !answer->variables_judged)
		missed = "the environment";
	if (missed != NULL && answer->status == 200)
		failure_note(failure, CODE_FIX_CONFIGURATION,
			"the daemon is older than this helper and does not look at ", missed,
			": stop it, then run credward serve --detach", NULL);
	return failure->code == CODE_OK;
}

static void ask(
	const struct options *options, int64_t end, struct answer *answer, struct failure *failure)
{
	static char bytes[QUESTION_ROOM - 512];
	static struct folder folder;
	struct text target = TEXT_IN(bytes);
	bool decides = false;
	int descriptor;

	if (options->check == NULL && !look_around(&folder, end, failure))
		return;
	descriptor = connect_or_start(options, end, failure);
	if (descriptor < 0)
		return;
	if (write_target(options, end, &target, &decides, failure)
		&& request_exchange(descriptor, bytes, &folder.body, end, answer, failure)
		&& options->check == NULL && was_judged(&folder, decides, answer, failure))
		use_answer(options, answer, end, failure);
}

/*
 * The name we are called by will choose the format once formats that send a body exist (git,
 * docker): a function before read_arguments that fills in `options` from the last part of
 * arguments[0].
 */
int main(int count, char **arguments)
{
	static struct answer answer;
	static struct failure failure;
	struct options options = { .format = "token", .timeout_ms = DEFAULT_TIMEOUT_MS };
	int64_t end = now_ms() + DEFAULT_TIMEOUT_MS;
	int code = CODE_OK;

	(void)count;
	if (!read_arguments(&options, arguments, &failure))
		goto out;
	if (options.print != NULL) {
		(void)print_all(options.print, strlen(options.print), end, &failure);
		goto out;
	}
	if (options.name == NULL)
		options.name = "-";
	if (!check_options(&options, &failure) || !check_caller(&failure))
		goto out;
	end = now_ms() + options.timeout_ms;
	ask(&options, end, &answer, &failure);
	if (options.check != NULL)
		code = judge_readiness(&answer, &failure);
out:
	wipe(answer.bytes, answer.used);
	if (failure.code != CODE_OK) {
		interrupt_at(end);
		code = failure_report(&failure);
	}
	return code;
}
