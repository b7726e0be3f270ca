/*
 * claims.c: sends the variables that say where the caller's requests go, unchanged. The daemon
 * judges them (broker/credward/policy/client_variables.py, which describes the format); they can
 * only make it deny, so nothing is judged here.
 */
#include "helper.h"

#include <stdlib.h>

/* VALUE: the value is sent, else only that it is set: a proxy URL may hold a password. DECIDES: a
 * daemon that does not check it would know too little to deny. */
enum { VALUE = 1, DECIDES = 2 };

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
	{ "HTTPS_PROXY", DECIDES },
	{ "https_proxy", DECIDES },
	{ "HTTP_PROXY", DECIDES },
	{ "http_proxy", DECIDES },
	{ "ALL_PROXY", DECIDES },
	{ "all_proxy", DECIDES },
	{ "NODE_EXTRA_CA_CERTS", DECIDES },
	{ "CLAUDECODE", 0 },
};

const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
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
		if ((told[i].how & VALUE) != 0) {
			text_add(query, "=");
			/* Encoded twice, for the list and for the query. */
			text_add_encoded(query, value, "%25");
		}
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
