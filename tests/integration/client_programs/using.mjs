// One client in JavaScript, used once for each line on standard input: `using.mjs KIND`.
// As using.py: variables say where its credential comes from, and which SERVICE takes it.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The packages lie in a folder of their own, where this file is not.
const require = createRequire(`${process.env.PACKAGES}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href).then((found) => ({ ...found, ...found.default }));
const { SERVICE } = process.env;
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const AUDIENCE = "https://app.example.com";
const RESOURCE = "https://vault.azure.net/.default";
const ASKED = { model: "claude-test", max_tokens: 1, messages: [{ role: "user", content: "hi" }] };

async function show(token) {
  const answer = await fetch(`${SERVICE}/whoami`, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
}

async function brokerKey() {
  const bearer = await readFile(process.env.CREDWARD_TOKEN_FILE, "utf8");
  const url = `${process.env.CREDWARD_URL}/v1/credentials/given/token`;
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${bearer}` } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.text()).trim();
}

async function googleDefault() {
  const { GoogleAuth } = await load("google-auth-library");
  const client = await new GoogleAuth({ scopes: [SCOPE] }).getClient();
  return () => client.request({ url: `${SERVICE}/whoami`, retry: false });
}

const kinds = {
  async sts() {
    const { STSClient, GetCallerIdentityCommand } = await load("@aws-sdk/client-sts");
    const client = new STSClient({});
    return () => client.send(new GetCallerIdentityCommand({}));
  },
  async credentialProviders() {
    const { STSClient, GetCallerIdentityCommand } = await load("@aws-sdk/client-sts");
    const { fromNodeProviderChain } = await load("@aws-sdk/credential-providers");
    const client = new STSClient({ credentials: fromNodeProviderChain() });
    return () => client.send(new GetCallerIdentityCommand({}));
  },
  googleAuth: googleDefault,
  googleAuthPool: googleDefault,
  async googleAuthIdentity() {
    const { GoogleAuth } = await load("google-auth-library");
    const client = await new GoogleAuth().getIdTokenClient(AUDIENCE);
    return () => client.request({ url: `${SERVICE}/whoami`, retry: false });
  },
  async azureManagedIdentity() {
    const { ManagedIdentityCredential } = await load("@azure/identity");
    const found = new ManagedIdentityCredential();
    return async () => show((await found.getToken(RESOURCE)).token);
  },
  async azureDefault() {
    const { DefaultAzureCredential } = await load("@azure/identity");
    const found = new DefaultAzureCredential();
    return async () => show((await found.getToken(RESOURCE)).token);
  },
  async anthropicBedrock() {
    const { AnthropicBedrock } = await load("@anthropic-ai/bedrock-sdk");
    const client = new AnthropicBedrock({ baseURL: SERVICE, maxRetries: 0 });
    return () => client.messages.create(ASKED);
  },
  async anthropicVertex() {
    const { AnthropicVertex } = await load("@anthropic-ai/vertex-sdk");
    const client = new AnthropicVertex({ region: "global", projectId: "project", baseURL: SERVICE, maxRetries: 0 });
    return () => client.messages.create(ASKED);
  },
  async anthropicFoundry() {
    const { AnthropicFoundry } = await load("@anthropic-ai/foundry-sdk");
    const { DefaultAzureCredential, getBearerTokenProvider } = await load("@azure/identity");
    const azureADTokenProvider = getBearerTokenProvider(new DefaultAzureCredential(), RESOURCE);
    const client = new AnthropicFoundry({ baseURL: SERVICE, azureADTokenProvider, maxRetries: 0 });
    return () => client.messages.create(ASKED);
  },
  async anthropicFoundryKey() {
    const { AnthropicFoundry } = await load("@anthropic-ai/foundry-sdk");
    // It takes a key when it is made, and keeps it.
    return async () =>
      new AnthropicFoundry({ baseURL: SERVICE, apiKey: await brokerKey(), maxRetries: 0 }).messages.create(ASKED);
  },
  async anthropicApi() {
    const { Anthropic } = await load("@anthropic-ai/sdk");
    const client = new Anthropic({ baseURL: SERVICE, apiKey: brokerKey, maxRetries: 0 });
    return () => client.messages.create(ASKED);
  },
};

const use = await kinds[process.argv[2]]();
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    await use();
    console.log("ok");
  } catch (error) {
    console.log(`${error.name}: ${error.message}`.replaceAll("\n", " "));
  }
}
process.exit(0);
