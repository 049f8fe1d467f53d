// The peer of scripts/bench: node oidc-provider.mjs FOLDER PORT, with oidc-provider installed in FOLDER.
// Everything in memory, secrets in the clear, no pages.
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, port] = process.argv.slice(2);
const path = createRequire(`${folder}/package.json`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(path));

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "bench" };
const client = (client_id) => ({
  client_id,
  client_secret: "secret",
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: "client_secret_basic",
  id_token_signed_response_alg: "ES256",
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: ["opaque", "jwt", "api"].map(client),
  jwks: { keys: [key] },
  scopes: ["notes:read"],
  ttl: { ClientCredentials: 3600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, asking) => `urn:${asking.clientId}`,
      getResourceServerInfo: (_, resource) => ({
        scope: "notes:read",
        audience: resource,
        accessTokenFormat: resource === "urn:jwt" ? "jwt" : "opaque",
        accessTokenTTL: 3600,
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1");
