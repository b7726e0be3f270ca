// A real OpenID provider on loopback, with rotating refresh tokens whose reuse revokes the grant. State is in memory.
//
// Environment: OIDC_PROVIDER (folder whose node_modules holds oidc-provider), PORT (0: any), ACCESS_TTL and
// REFRESH_TTL (seconds), CLIENT_JWKS (public keys of the client `credward-jwt`), DPOP_NONCE (`yes`: proofs need one),
// CERT and KEY (PEM files: serve TLS), ROTATE (`no`: refresh tokens stay), MOUNT (a path that everything lies below,
// as at Entra ID; consent is then asked for unbidden, for without it there is no refresh token).
// Prints one JSON line per event; the first is {"event": "listening", "issuer": …}. Ends when its standard input does.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { pathToFileURL } from "node:url";

const env = process.env;
const library = path.join(env.OIDC_PROVIDER, "node_modules/oidc-provider/lib/index.js");
const say = (event, more = {}) =>
  process.stdout.write(JSON.stringify({ event, at: Date.now() / 1000, ...more }) + "\n");

// The library writes its advice to the console; standard output is ours.
console.log = console.info = console.warn = (...words) => process.stderr.write(words.join(" ") + "\n");
const { default: Provider, errors } = await import(pathToFileURL(library));

const tls = env.CERT ? { cert: readFileSync(env.CERT), key: readFileSync(env.KEY) } : null;
let handle;
const answer = (request, response) => handle(request, response);
const server = tls ? https.createServer(tls, answer) : http.createServer(answer);
await new Promise((done) => server.listen(Number(env.PORT || 0), "127.0.0.1", done));
const mount = env.MOUNT || "";
const issuer = `${tls ? "https" : "http"}://127.0.0.1:${server.address().port}${mount}`;

const accessTtl = Number(env.ACCESS_TTL || 3600);
const native = {
  client_id: "credward",
  application_type: "native",
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback", "http://localhost"],
};
const machine = {
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  scope: "api",
};
const clients = [
  native,
  { ...machine, client_id: "credward-basic", client_secret: "basic-secret-0", token_endpoint_auth_method: "client_secret_basic" },
  { ...machine, client_id: "credward-post", client_secret: "post-secret-00", token_endpoint_auth_method: "client_secret_post" },
];
if (env.CLIENT_JWKS) {
  clients.push({
    ...machine,
    client_id: "credward-jwt",
    token_endpoint_auth_method: "private_key_jwt",
    jwks: JSON.parse(env.CLIENT_JWKS),
  });
}

const provider = new Provider(issuer, {
  clients,
  scopes: ["openid", "offline_access", "profile", "email", "api"],
  claims: { openid: ["sub"], email: ["email"], profile: ["preferred_username"] },
  conformIdTokenClaims: false,
  cookies: { keys: [randomBytes(16).toString("hex")] },
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    dPoP: {
      enabled: true,
      nonceSecret: randomBytes(32),
      requireNonce: () => env.DPOP_NONCE === "yes",
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      // As strict as RFC 8707 section 2.2 lets a server be: what was granted for a resource is asked for by its name.
      useGrantedResource: (ctx) => {
        if (!ctx.oidc.params.resource) throw new errors.InvalidTarget("no resource in a token request");
        return true;
      },
      getResourceServerInfo: (_, resource) => ({
        scope: "api",
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: accessTtl,
      }),
    },
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, preferred_username: id }),
  }),
  issueRefreshToken: (_, client, code) =>
    client.grantTypeAllowed("refresh_token") && code.scopes.has("offline_access"),
  pkce: { required: () => true },
  rotateRefreshToken: () => env.ROTATE !== "no",
  ttl: {
    AccessToken: accessTtl,
    ClientCredentials: accessTtl,
    DeviceCode: 600,
    Grant: 86400,
    IdToken: accessTtl,
    Interaction: 600,
    RefreshToken: Number(env.REFRESH_TTL || 86400),
    Session: 86400,
  },
});

const digest = (text) => (text ? createHash("sha256").update(text).digest("hex").slice(0, 16) : undefined);
const words = (ctx) => ({
  client: ctx.oidc?.client?.clientId,
  grant_type: ctx.oidc?.params?.grant_type,
  resource: ctx.oidc?.params?.resource,
  // One-way names of the refresh token that was presented and of the one that came back.
  presented: digest(ctx.oidc?.params?.refresh_token ?? ctx.oidc?.body?.refresh_token),
  given: digest(ctx.body?.refresh_token),
});
provider.on("grant.success", (ctx) => say("grant.success", words(ctx)));
provider.on("grant.error", (ctx, error) => say("grant.error", { ...words(ctx), error: error.error, detail: error.error_detail }));
provider.on("grant.revoked", (ctx, grant) => say("grant.revoked", { ...words(ctx), grant }));
provider.on("refresh_token.consumed", () => say("refresh_token.consumed"));
provider.on("device_authorization.success", (ctx) => say("device_authorization.success", words(ctx)));
provider.on("authorization.error", (_, error) => say("authorization.error", { error: error.error, detail: error.error_description }));
provider.on("server_error", (_, error) => say("server_error", { error: String(error.stack) }));

const callback = provider.callback();
handle = (request, response) => {
  if (mount && request.url.startsWith(mount)) {
    // The library finds its own place by the difference of the two.
    request.originalUrl = request.url;
    request.url = request.url.slice(mount.length) || "/";
    if (request.url.startsWith("/auth?") && !request.url.includes("&prompt=")) request.url += "&prompt=consent";
  }
  return callback(request, response);
};
say("listening", { issuer });

process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
