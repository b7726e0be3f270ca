/*
 * claims.c: sends the variables that say where the caller's requests go, and through what. The daemon
 * judges them (broker/credward/policy/client_variables.py, which describes the format); they can
 * only make it deny, so nothing is judged here.
 */
#include "helper.h"

#include <stdlib.h>

/* VALUE: the value is sent unchanged; PROXY: without user and password; FILE_DIGEST: with a digest of the
 * file, because the daemon may see another one in that place, or none; else only that it is set.
 * DECIDES: a daemon that does not check it would know too little to deny. */
enum { VALUE = 1, PROXY = 2, FILE_DIGEST = 4, DECIDES = 8 };

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* Longer than all authorities of a system together. */
#define CERTIFICATES_LIMIT (1024 * 1024)
/* The longest scheme, host and port of a proxy that is sent. */
#define PROXY_LIMIT 300

/* The files of authorities, with the digest of each. */
#define FILE_IN(name)                                                                       \
	{                                                                                       \
		name, "the file in " name,                                                          \
			"the file system of the file in " name " did not answer in time: name another file", \
			""                                                                              \
	}
static struct {
	const char *name, *what, *late;
	char digest[65];
} authorities[] = {
	FILE_IN("NODE_EXTRA_CA_CERTS"),
	FILE_IN("SSL_CERT_FILE"),
};

static const struct {
	const char *name;
	int how;
} told[] = {
	{ "ANTHROPIC_BASE_URL", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_BEDROCK", VALUE | DECIDES },
	{ "ANTHROPIC_BEDROCK_BASE_URL", VALUE | DECIDES },
	{ "AWS_REGION", VALUE | DECIDES },
	{ "AWS_DEFAULT_REGION", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_VERTEX", VALUE | DECIDES },
	{ "ANTHROPIC_VERTEX_BASE_URL", VALUE | DECIDES },
	{ "CLOUD_ML_REGION", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_FOUNDRY", VALUE | DECIDES },
	{ "ANTHROPIC_FOUNDRY_BASE_URL", VALUE | DECIDES },
	{ "ANTHROPIC_FOUNDRY_RESOURCE", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_MANTLE", VALUE | DECIDES },
	{ "ANTHROPIC_BEDROCK_MANTLE_BASE_URL", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_ANTHROPIC_AWS", VALUE | DECIDES },
	{ "ANTHROPIC_AWS_BASE_URL", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD", VALUE | DECIDES },
	{ "ANTHROPIC_GOOGLE_CLOUD_BASE_URL", VALUE | DECIDES },
	{ "CLAUDE_CODE_USE_GATEWAY", VALUE | DECIDES },
	{ "NODE_TLS_REJECT_UNAUTHORIZED", VALUE | DECIDES },
	{ "CLAUDE_CODE_API_KEY_HELPER_TTL_MS", VALUE },
	{ "HTTPS_PROXY", PROXY | DECIDES },
	{ "https_proxy", PROXY | DECIDES },
	{ "HTTP_PROXY", PROXY | DECIDES },
	{ "http_proxy", PROXY | DECIDES },
	{ "ALL_PROXY", PROXY | DECIDES },
	{ "all_proxy", PROXY | DECIDES },
	{ "CLAUDE_CODE_HTTPS_PROXY", PROXY | DECIDES },
	{ "CLAUDE_CODE_HTTP_PROXY", PROXY | DECIDES },
	{ "NODE_EXTRA_CA_CERTS", FILE_DIGEST | DECIDES },
	{ "SSL_CERT_FILE", FILE_DIGEST | DECIDES },
	{ "SSL_CERT_DIR", VALUE | DECIDES },
	{ "CLAUDECODE", 0 },
};

const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* In a child. The digest of an unreadable file is empty. */
static void digest_file(const char *path, struct text *found)
{
	static char content[CERTIFICATES_LIMIT + 1];
	ssize_t count = file_read(path, content, sizeof(content));

	if (count >= 0 && count <= CERTIFICATES_LIMIT)
		text_add_sha256(found, content, (size_t)count);
}

/* The digest of the file in a variable; empty if it is unreadable, or was not looked at. */
static const char *digest_of(const char *name)
{
	for (size_t i = 0; i < sizeof(authorities) / sizeof(authorities[0]); i++)
		if (strcmp(authorities[i].name, name) == 0)
			return authorities[i].digest;
	return "";
}

/* The digest of a file that an earlier variable than `index` names too, NULL if there is none: many
 * shells name one file twice. */
static const char *digest_before(size_t index, const char *path)
{
	for (size_t i = 0; i < index; i++) {
		const char *other = variable(authorities[i].name);

		if (other != NULL && strcmp(other, path) == 0)
			return authorities[i].digest;
	}
	return NULL;
}

void claims_look(void)
{
	for (size_t i = 0; i < sizeof(authorities) / sizeof(authorities[0]); i++) {
		const char *path = variable(authorities[i].name), *known;
		struct text found = TEXT_IN(authorities[i].digest);

		if (path == NULL)
			continue;
		known = digest_before(i, path);
		if (known != NULL) {
			text_add(&found, known);
			continue;
		}
		look_by_child(
			&(struct look) {
				.at = digest_file,
				.where = path,
				.what = authorities[i].what,
				.late = authorities[i].late,
			},
			&found);
	}
}

/* Add scheme, host and port of a proxy to a list; nothing if some program could read another host
 * in it: a second @, a backslash, anything that is not plain ASCII. */
static void add_proxy(struct text *query, const char *value)
{
	/* What a user and a password may be written with: all but what ends them. */
	static const char user[] = LETTERS DIGITS "!\"$%&'()*+,-.:;<=>[]^_`{|}~";
	char bytes[PROXY_LIMIT + 1] = "";
	struct text proxy = TEXT_IN(bytes);
	size_t scheme = strspn(value, LETTERS DIGITS "+.-"), length, port;
	const char *host;

	scheme = scheme > 0 && strncmp(value + scheme, "://", 3) == 0 ? scheme + 3 : 0;
	host = value + scheme;
	length = strspn(host, user);
	if (host[length] == '@')
		host += length + 1;
	if (host[0] == '[') {
		length = 1 + strspn(host + 1, DIGITS "ABCDEFabcdef:.");
		length = host[length] == ']' && length > 1 ? length + 1 : 0;
	} else {
		length = strspn(host, LETTERS DIGITS "._-");
	}
	port = length > 0 && host[length] == ':' ? strspn(host + length + 1, DIGITS) : 0;
	if (port > 0)
		length += 1 + port;
	if (length == 0 || strcmp(host + length, host[length] == '/' ? "/" : "") != 0)
		return;
	text_add_bytes(&proxy, value, scheme);
	text_add_bytes(&proxy, host, length);
	if (proxy.overflow)
		return;
	text_add(query, "=");
	text_add_encoded(query, bytes, "%25");
}

/* Add what a variable holds to a list. */
static void add_value(struct text *query, const char *name, int how, const char *value)
{
	if ((how & PROXY) != 0)
		add_proxy(query, value);
	if ((how & (VALUE | FILE_DIGEST)) == 0)
		return;
	text_add(query, "=");
	if ((how & FILE_DIGEST) != 0) {
		text_add(query, digest_of(name));
		text_add(query, "%253A");
	}
	/* Encoded twice, for the list and for the query. */
	text_add_encoded(query, value, "%25");
}

static bool add_variables(struct text *query)
{
	const char *separator = "";
	bool decides = false;

	/* Sent even if nothing is set: that is information too. */
	text_add(query, "&variables=");
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const char *value = variable(told[i].name);

		if (value == NULL)
			continue;
		text_add(query, separator);
		text_add(query, told[i].name);
		add_value(query, told[i].name, told[i].how, value);
		separator = ",";
		decides = decides || (told[i].how & DECIDES) != 0;
	}
	return decides;
}

/* FNV-1a: it distinguishes, it hides nothing; the URL is not sent because it may hold a secret. */
static uint64_t digest(uint64_t sum, const char *string)
{
	for (; *string != '\0'; string++)
		sum = (sum ^ (unsigned char)*string) * UINT64_C(1099511628211);
	return sum;
}

/* Which MCP server the headers are for: an agent with several asks for each one separately. */
static void add_mcp_server(struct text *query)
{
	const char *name = variable("CLAUDE_CODE_MCP_SERVER_NAME");
	const char *url = variable("CLAUDE_CODE_MCP_SERVER_URL");
	char digits[17] = "";
	uint64_t sum;

	if (name == NULL || url == NULL)
		return;
	sum = digest(digest(digest(UINT64_C(14695981039346656037), name), "\n"), url);
	for (int i = 15; i >= 0; i--, sum >>= 4)
		digits[i] = "0123456789abcdef"[sum & 15];
	text_add(query, "&mcp_server=");
	text_add(query, digits);
}

bool claims_add(struct text *query, const char *base_url, const char *format)
{
	bool decides;

	if (base_url != NULL && base_url[0] != '\0') {
		text_add(query, "&client_base_url=");
		text_add_encoded(query, base_url, "%");
	}
	decides = add_variables(query);
	if (strcmp(format, "headers") == 0)
		add_mcp_server(query);
	return decides;
}
