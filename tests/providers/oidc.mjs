// The npm package oidc-provider, certified by the OpenID Foundation, with a sign-in page of buttons: one a person.

import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";
import { body, serve } from "./serve.mjs";

export const secret = "a-secret-of-the-client-at-the-provider";

// `people`: claims by subject. The client is Keyway's, with the callback at `redirect`, which may be known later.
export async function oidcProvider(t, { people, redirect }) {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), alg: "RS256", use: "sig", kid: "of-the-test" };
  const served = await serve(t, async (url) => {
    const provider = new Provider(url, {
      clients: [{
        client_id: "keyway",
        client_secret: secret,
        redirect_uris: [await redirect],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      }],
      jwks: { keys: [jwk] },
      cookies: { keys: [randomBytes(32).toString("hex")] },
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
      features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
      findAccount: (_, sub) => people[sub] && { accountId: sub, claims: () => ({ sub, ...people[sub] }) },
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
      loadExistingGrant: allowAll,
      pkce: { required: () => true },
    });
    const pages = provider.callback();
    return (request, response) =>
      request.url.startsWith("/interaction/") ? choose(provider, people, request, response) : pages(request, response);
  });
  return { ...served, issuer: served.url };
}

// Consent is not what is tested here.
async function allowAll(ctx) {
  const { client, provider, session } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope("openid email profile offline_access");
  await grant.save();
  return grant;
}

async function choose(provider, people, request, response) {
  if (request.method === "POST") {
    const account = new URLSearchParams(await body(request)).get("account");
    const result = people[account] ? { login: { accountId: account } } : { error: "access_denied", error_description: "hush" };
    return provider.interactionFinished(request, response, result);
  }
  await provider.interactionDetails(request, response);
  const form = (account, label) =>
    `<form method="post" action="${request.url}"><input type="hidden" name="account" value="${account}"><button>${label}</button></form>`;
  const forms = Object.entries(people).map(([sub, { name }]) => form(sub, `Continue as ${name}`));
  response.writeHead(200, { "content-type": "text/html" });
  return response.end(`<!doctype html><link rel="icon" href="data:,"><title>Provider</title>${forms.join("")}${form("", "Cancel")}`);
}
