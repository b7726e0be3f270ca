/*
 * claims.c: the query parts that come from the environment. Claims can only make the daemon deny,
 * never grant, so nothing here is trusted; what is ambiguous is left out, and a credential with a
 * base URL is then denied.
 */
#include "claims.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

/* The cloud switches of Claude Code, and where its requests go with each of them. */
struct cloud {
	const char *flag;
	const char *base_url; /* the variable that overrides the address */
	const char *place[2]; /* variables that name the region or resource of the default address */
	const char *before;   /* the default address around that place; NULL: none is known */
	const char *after;
};

static const struct cloud clouds[] = {
	{ "CLAUDE_CODE_USE_BEDROCK", "ANTHROPIC_BEDROCK_BASE_URL",
		{ "AWS_REGION", "AWS_DEFAULT_REGION" }, "https://bedrock-runtime.", ".amazonaws.com" },
	{ "CLAUDE_CODE_USE_VERTEX", "ANTHROPIC_VERTEX_BASE_URL", { "CLOUD_ML_REGION", NULL },
		"https://", "-aiplatform.googleapis.com" },
	{ "CLAUDE_CODE_USE_FOUNDRY", "ANTHROPIC_FOUNDRY_BASE_URL",
		{ "ANTHROPIC_FOUNDRY_RESOURCE", NULL }, "https://", ".services.ai.azure.com/anthropic" },
	{ "CLAUDE_CODE_USE_MANTLE", "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
		{ "AWS_REGION", "AWS_DEFAULT_REGION" }, "https://bedrock-mantle.", ".api.aws" },
	{ "CLAUDE_CODE_USE_ANTHROPIC_AWS", "ANTHROPIC_AWS_BASE_URL",
		{ "AWS_REGION", "AWS_DEFAULT_REGION" }, "https://aws-external-anthropic.", ".api.aws" },
	{ "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD", "ANTHROPIC_GOOGLE_CLOUD_BASE_URL", { NULL, NULL },
		NULL, NULL },
	{ "CLAUDE_CODE_USE_GATEWAY", NULL, { NULL, NULL }, NULL, NULL },
};

static const char *const proxies[] = {
	"HTTPS_PROXY",
	"https_proxy",
	"HTTP_PROXY",
	"http_proxy",
	"ALL_PROXY",
	"all_proxy",
};

/* All of the above by name, and the address that counts without a cloud. */
static const char *const handed_over[] = {
	"ANTHROPIC_BASE_URL",
	"CLAUDE_CODE_USE_BEDROCK",
	"ANTHROPIC_BEDROCK_BASE_URL",
	"AWS_REGION",
	"AWS_DEFAULT_REGION",
	"CLAUDE_CODE_USE_VERTEX",
	"ANTHROPIC_VERTEX_BASE_URL",
	"CLOUD_ML_REGION",
	"CLAUDE_CODE_USE_FOUNDRY",
	"ANTHROPIC_FOUNDRY_BASE_URL",
	"ANTHROPIC_FOUNDRY_RESOURCE",
	"CLAUDE_CODE_USE_MANTLE",
	"ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
	"CLAUDE_CODE_USE_ANTHROPIC_AWS",
	"ANTHROPIC_AWS_BASE_URL",
	"CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
	"ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
	"CLAUDE_CODE_USE_GATEWAY",
};

const char *claims_variable(size_t index)
{
	return index < sizeof(handed_over) / sizeof(handed_over[0]) ? handed_over[index] : NULL;
}

const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The words that Claude Code takes for yes. */
static bool switched_on(const char *name)
{
	static const char *const yes[] = { "1", "true", "yes", "on" };
	const char *value = variable(name);
	size_t length;

	if (value == NULL)
		return false;
	value += strspn(value, " \t\r\n");
	length = strcspn(value, " \t\r\n");
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (strlen(yes[i]) == length && strncasecmp(value, yes[i], length) == 0)
			return true;
	return false;
}

/* The default address of Vertex begins with the region, but for these. */
static bool add_vertex_default(struct text *url, const char *region)
{
	bool wide = strcmp(region, "us") == 0 || strcmp(region, "eu") == 0;

	if (!wide && strcmp(region, "global") != 0)
		return false;
	text_add(url, "https://aiplatform.");
	text_add(url, wide ? region : "");
	text_add(url, wide ? ".rep.googleapis.com" : "googleapis.com");
	return true;
}

static void add_default(struct text *url, const struct cloud *cloud)
{
	static const char host_characters[]
		= "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	const char *place = NULL;

	for (size_t i = 0; i < 2 && place == NULL && cloud->place[i] != NULL; i++)
		place = variable(cloud->place[i]);
	if (cloud->before == NULL || place == NULL || place[strspn(place, host_characters)] != '\0')
		return;
	if (strcmp(cloud->flag, "CLAUDE_CODE_USE_VERTEX") == 0 && add_vertex_default(url, place))
		return;
	text_add(url, cloud->before);
	text_add(url, place);
	text_add(url, cloud->after);
}

/* Where the environment sends requests; nothing when it names two clouds or one whose address is
 * unknown. */
static void add_base_url(struct text *url)
{
	const struct cloud *chosen = NULL;
	const char *named;

	for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
		if (!switched_on(clouds[i].flag))
			continue;
		if (chosen != NULL)
			return;
		chosen = &clouds[i];
	}
	if (chosen == NULL) {
		named = variable("ANTHROPIC_BASE_URL");
		text_add(url, named != NULL ? named : "https://api.anthropic.com");
		return;
	}
	named = chosen->base_url != NULL ? variable(chosen->base_url) : NULL;
	if (named != NULL)
		text_add(url, named);
	else
		add_default(url, chosen);
}

static void add_flags(struct text *query)
{
	const char *tls = getenv("NODE_TLS_REJECT_UNAUTHORIZED");
	const char *separator = "&client_flags=";
	bool proxied = false;

	for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++)
		proxied = proxied || variable(proxies[i]) != NULL;
	if (proxied) {
		text_add(query, separator);
		text_add(query, "proxy");
		separator = ",";
	}
	if (tls != NULL && strcmp(tls, "0") == 0) {
		text_add(query, separator);
		text_add(query, "tls-off");
		separator = ",";
	}
	if (variable("NODE_EXTRA_CA_CERTS") != NULL) {
		text_add(query, separator);
		text_add(query, "extra-ca");
	}
}

/* What is not a plain number is left out: Claude Code then keeps a token for its default time, as
 * the daemon knows. */
static void add_cache_ttl(struct text *query)
{
	const char *value = variable("CLAUDE_CODE_API_KEY_HELPER_TTL_MS");

	if (value == NULL || strlen(value) > 12 || value[strspn(value, "0123456789")] != '\0')
		return;
	text_add(query, "&cache_ttl=");
	text_add_seconds(query, strtoull(value, NULL, 10));
}

/* FNV-1a: tells apart, hides nothing; only that a URL may hold a secret is why it is not sent. */
static uint64_t digest(uint64_t sum, const char *string)
{
	for (; *string != '\0'; string++)
		sum = (sum ^ (unsigned char)*string) * UINT64_C(1099511628211);
	return sum;
}

/* Which MCP server the headers are for: an agent with several asks for each by itself. */
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

void claims_add(struct text *query, const char *base_url, const char *format)
{
	static char address[2048];
	struct text url = TEXT_IN(address);

	if (strcmp(format, "token") == 0)
		add_cache_ttl(query);
	if (base_url != NULL)
		text_add(&url, base_url);
	else
		add_base_url(&url);
	if (url.used > 0) {
		text_add(query, "&client_base_url=");
		text_add_encoded(query, address);
	}
	query->overflow = query->overflow || url.overflow;
	add_flags(query);
	if (variable("CLAUDECODE") != NULL)
		text_add(query, "&in_tool=1");
	if (strcmp(format, "headers") == 0)
		add_mcp_server(query);
}
