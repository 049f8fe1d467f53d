// A walk over the metadata: whatever the documents advertise works, and what they do not advertise is refused. A
// member that this file has no proof for fails.
import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID, sign } from "node:crypto";
import { after, test } from "node:test";
import * as client from "openid-client";
import { World, authorize, callback, keyPair, left, signing } from "./world.mjs";

// Before the tests are named: what is advertised says which there are.
const world = await World.start({ KEYWAY_OAUTH__REGISTRATION: "open" });
after(() => world.stop());
const ada = await world.person("ada@example.com");
const metadata = await document("/.well-known/oauth-authorization-server");

async function document(path, base = world.portal) {
  const answer = await fetch(`${base}${path}`);
  assert.equal(answer.status, 200, path);
  assert.match(answer.headers.get("content-type"), /^application\/json/);
  return answer.json();
}

const post = (url, fields, headers = {}) => fetch(url, { method: "POST", body: new URLSearchParams(fields), headers });
const basic = (made) => ({ authorization: `Basic ${btoa(`${made.client_id}:${made.client_secret}`)}` });
const everyGrant = ["authorization_code", "refresh_token", "client_credentials", "token_exchange"].flatMap((grant) => ["--grant", grant]);

// Where the browser of Ada ends that an app sends to the authorization endpoint: a page, or what comes back.
function ask(made, more = {}, person = ada) {
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: made.client_id,
    redirect_uri: callback,
    scope: "notes:read",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...more,
  });
  return person.get(`${metadata.authorization_endpoint}?${query}`);
}

// The error that goes back to the app, if one does.
const errorOf = (page) => (page instanceof URL ? page.searchParams.get("error") ?? new URLSearchParams(page.hash.slice(1)).get("error") : undefined);

async function ways(method) {
  if (method === "none") return { made: await world.registerApp("--auth-method", "none"), fields: (made) => ({ client_id: made.client_id }) };
  if (method === "client_secret_basic") return { made: await world.registerApp(), headers: basic };
  if (method === "client_secret_post") {
    return { made: await world.registerApp("--auth-method", method), fields: ({ client_id, client_secret }) => ({ client_id, client_secret }) };
  }
  assert.equal(method, "private_key_jwt", "a method that this test cannot speak");
  const pair = await keyPair(world, "ES256");
  const made = await world.registerApp("--auth-method", method, "--jwks", pair.file);
  return { made, fields: () => assertion(made, "ES256", pair.privateKey) };
}

function assertion(made, alg, key, more = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: made.client_id, sub: made.client_id, aud: metadata.issuer, iat: now, exp: now + 60, jti: randomUUID() };
  const signed = `${part({ alg, ...more })}.${part(claims)}`;
  const padding = alg === "PS256" ? { padding: 6, saltLength: 32 } : {};
  const hash = alg.startsWith("Ed") ? undefined : "sha256";
  const signature = sign(hash, Buffer.from(signed), { key, dsaEncoding: "ieee-p1363", ...padding }).toString("base64url");
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: `${signed}.${signature}`,
  };
}

// Each method is let in: what is refused is the request, not the client.
const authMethods = (endpoint, fields) => async (methods) => {
  for (const method of methods) {
    const way = await ways(method);
    const answer = await post(metadata[endpoint], { ...fields, ...way.fields?.(way.made) }, way.headers?.(way.made));
    const body = await answer.text();
    assert.ok(answer.status === 200 || JSON.parse(body).error === "invalid_grant", `${endpoint} with ${method}: ${answer.status} ${body}`);
  }
};
const authAlgorithms = (endpoint, fields) => async (algorithms) => {
  for (const algorithm of algorithms) {
    const known = algorithm === "Ed25519" ? "EdDSA" : algorithm;
    const pair = await keyPair(world, known);
    const made = await world.registerApp("--auth-method", "private_key_jwt", "--jwks", pair.file);
    const answer = await post(metadata[endpoint], { ...fields, ...assertion(made, algorithm, pair.privateKey) });
    assert.notEqual(answer.status, 401, `${endpoint} with ${algorithm}: ${await answer.text()}`);
  }
  const pair = await keyPair(world, "RS256");
  const made = await world.registerApp("--auth-method", "private_key_jwt", "--jwks", pair.file);
  const answer = await post(metadata[endpoint], { ...fields, ...assertion(made, "RS384", pair.privateKey) });
  assert.equal((await answer.json()).error, "invalid_client", "RS384 is not advertised");
};

const refresh = { grant_type: "refresh_token", refresh_token: "keyway_rt_none" };
const nothing = { token: "keyway_at_none" };

async function openid(more = [], asked = {}) {
  const made = await world.registerApp(...more);
  const config = await world.discover(made, undefined, { metadata: asked.metadata });
  client.enableNonRepudiationChecks(config);
  const { back, checks } = await authorize(config, ada, { scope: asked.scope ?? "openid profile email", nonce: "n", ...asked.more });
  const tokens = await client.authorizationCodeGrant(config, back, { ...checks, expectedNonce: "n", ...asked.checks });
  return { made, config, tokens, claims: tokens.claims() };
}

async function answersTo(endpoint, method, status, options = {}) {
  const answer = await fetch(metadata[endpoint], { method, redirect: "manual", ...options });
  assert.equal(answer.status, status, `${method} ${metadata[endpoint]}: ${await answer.text()}`);
  return answer;
}

const proofs = {
  issuer: (issuer) => assert.equal(issuer, world.portal),
  authorization_endpoint: async () => {
    await answersTo("authorization_endpoint", "GET", 400);
    await answersTo("authorization_endpoint", "POST", 303, { body: new URLSearchParams({ client_id: "x" }) });
  },
  token_endpoint: async () => {
    await answersTo("token_endpoint", "GET", 405);
    await answersTo("token_endpoint", "POST", 400, { body: new URLSearchParams() });
  },
  revocation_endpoint: () => answersTo("revocation_endpoint", "GET", 405),
  introspection_endpoint: () => answersTo("introspection_endpoint", "GET", 405),
  jwks_uri: async (uri) => {
    const { keys } = await (await fetch(uri)).json();
    assert.ok(keys.length > 0);
    for (const key of keys) {
      assert.equal(key.use, "sig");
      assert.ok(key.kid && key.alg);
      for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k"]) assert.equal(key[secret], undefined);
    }
  },
  scopes_supported: async (scopes) => {
    const made = await world.registerApp(...scopes.filter((scope) => scope.includes(":")).flatMap((scope) => ["--scope", scope]));
    for (const scope of scopes) {
      const asked = scope === "offline_access" ? "notes:read offline_access" : scope;
      const page = await ask(made, { scope: asked });
      assert.ok(![ "invalid_scope", "invalid_request" ].includes(errorOf(page)), `${scope}: ${page}`);
    }
    assert.equal(errorOf(await ask(made, { scope: "notes:read phone" })), "invalid_scope");
  },
  response_types_supported: async (types) => {
    const made = await world.registerApp();
    for (const type of types) assert.equal((await ask(made, { response_type: type })).status, 200, type);
    for (const type of ["token", "id_token", "code id_token", "code token", "none"].filter((type) => !types.includes(type))) {
      assert.equal(errorOf(await ask(made, { response_type: type })), "unsupported_response_type", type);
    }
  },
  response_modes_supported: async (modes) => {
    const made = await world.registerApp();
    const config = await world.discover(made);
    for (const mode of modes) {
      const { back, checks } = await authorize(config, ada, { response_mode: mode });
      assert.equal(back instanceof Request, mode === "form_post");
      if (mode !== "fragment") await client.authorizationCodeGrant(config, back, checks);
      else assert.ok(new URLSearchParams(back.hash.slice(1)).get("code"));
    }
    for (const mode of ["fragment", "form_post", "jwt", "web_message"].filter((mode) => !modes.includes(mode))) {
      assert.equal(errorOf(await ask(made, { response_mode: mode })), "invalid_request", mode);
    }
  },
  grant_types_supported: async (grants) => {
    const made = await world.register("--scope", "notes:read", "--redirect-uri", callback, ...everyGrant);
    for (const grant_type of grants) {
      const answer = await post(metadata.token_endpoint, { grant_type, scope: "notes:read" }, basic(made));
      const { error, access_token } = await answer.json();
      assert.ok(access_token || !["unsupported_grant_type", "invalid_client"].includes(error), `${grant_type}: ${error}`);
    }
    for (const grant_type of ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:openid:params:grant-type:ciba"]) {
      const answer = await post(metadata.token_endpoint, { grant_type }, basic(made));
      assert.equal((await answer.json()).error, "unsupported_grant_type", grant_type);
    }
  },
  token_endpoint_auth_methods_supported: authMethods("token_endpoint", refresh),
  revocation_endpoint_auth_methods_supported: authMethods("revocation_endpoint", nothing),
  introspection_endpoint_auth_methods_supported: async (methods) => {
    await authMethods("introspection_endpoint", nothing)(methods);
    assert.ok(!methods.includes("none"));
    const config = await world.discover(await world.registerApp("--auth-method", "none"));
    const { back, checks } = await authorize(config, ada);
    const { access_token: token } = await client.authorizationCodeGrant(config, back, checks);
    const answer = await post(metadata.introspection_endpoint, { token, client_id: config.clientMetadata().client_id });
    assert.deepEqual(await answer.json(), { active: false }, "whoever proves nothing is told nothing");
  },
  token_endpoint_auth_signing_alg_values_supported: authAlgorithms("token_endpoint", refresh),
  revocation_endpoint_auth_signing_alg_values_supported: authAlgorithms("revocation_endpoint", nothing),
  introspection_endpoint_auth_signing_alg_values_supported: authAlgorithms("introspection_endpoint", nothing),
  code_challenge_methods_supported: async (methods) => {
    assert.deepEqual(methods, ["S256"]);
    const made = await world.registerApp();
    assert.equal(errorOf(await ask(made, { code_challenge_method: "plain" })), "invalid_request");
    assert.equal(errorOf(await ask(made, { code_challenge: "" })), "invalid_request", "PKCE is asked of everybody");
  },
  authorization_response_iss_parameter_supported: async (supported) => {
    assert.equal(supported, true);
    const refusal = await ask(await world.registerApp(), { response_type: "token" });
    assert.equal(refusal.searchParams.get("iss"), metadata.issuer, "errors name the issuer too");
  },
  dpop_signing_alg_values_supported: async (algorithms) => {
    const config = await world.discover(await world.register("--scope", "notes:read"));
    for (const algorithm of algorithms) {
      const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(algorithm === "EdDSA" ? "Ed25519" : algorithm));
      assert.equal((await client.clientCredentialsGrant(config, {}, { DPoP })).token_type, "dpop", algorithm);
    }
  },
  registration_endpoint: async () => {
    await answersTo("registration_endpoint", "GET", 405);
    const answer = await answersTo("registration_endpoint", "POST", 400, { body: "{}", headers: { "content-type": "application/json" } });
    assert.match(answer.headers.get("cache-control") ?? "", /no-store/);
  },
  pushed_authorization_request_endpoint: async () => {
    await answersTo("pushed_authorization_request_endpoint", "GET", 405);
    const config = await world.discover(await world.registerApp());
    const verifier = client.randomPKCECodeVerifier();
    const address = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: callback,
      scope: "notes:read",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    });
    assert.match(address.searchParams.get("request_uri"), /^urn:ietf:params:oauth:request_uri:/);
    await client.authorizationCodeGrant(config, await ada.authorize(address), { pkceCodeVerifier: verifier });
    const refused = await ada.get(address);
    assert.ok(!(refused instanceof URL) || errorOf(refused), "a pushed request works once");
  },
  require_pushed_authorization_requests: (required) => assert.equal(required, false),
  device_authorization_endpoint: async () => {
    await answersTo("device_authorization_endpoint", "GET", 405);
    const made = await world.register("--scope", "notes:read", "--auth-method", "none", "--grant", "device_code");
    const answer = await post(metadata.device_authorization_endpoint, { client_id: made.client_id, scope: "notes:read" });
    const body = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(body));
    assert.equal((await ada.get(body.verification_uri_complete)).status, 200);
  },
  userinfo_endpoint: async () => {
    for (const method of ["GET", "POST"]) {
      const refusal = await answersTo("userinfo_endpoint", method, 401);
      assert.match(refusal.headers.get("www-authenticate"), /^Bearer /);
    }
    const { tokens } = await openid();
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    for (const method of ["GET", "POST"]) await answersTo("userinfo_endpoint", method, 200, { headers });
  },
  end_session_endpoint: async (endpoint) => {
    const bob = await world.person("bob@example.com");
    const page = await bob.get(endpoint);
    assert.equal(page.status, 200);
    assert.ok(page.forms.some((form) => form.action === "/oauth/logout/confirm"), "without a hint the person is asked");
    await answersTo("end_session_endpoint", "POST", 303, { body: new URLSearchParams() });
    const made = await world.registerApp("--post-logout-redirect-uri", left);
    const elsewhere = new URLSearchParams({ client_id: made.client_id, post_logout_redirect_uri: "https://evil.example.com/" });
    assert.equal((await bob.get(`${endpoint}?${elsewhere}`)).status, 400);
  },
  backchannel_logout_supported: (supported) => assert.equal(supported, true), // openid.test.mjs is told
  backchannel_logout_session_supported: async (supported) => {
    assert.equal(supported, true);
    assert.ok((await openid()).claims.sid);
  },
  subject_types_supported: async (types) => {
    assert.deepEqual(types, ["public"]);
    const [one, other] = [await openid(), await openid()];
    assert.equal(one.claims.sub, other.claims.sub, "the same to every app");
  },
  id_token_signing_alg_values_supported: async (algorithms) => {
    assert.ok(algorithms.includes("RS256"), "OpenID Connect Discovery §3");
    for (const algorithm of algorithms) {
      const { tokens } = await openid(["--id-token-alg", algorithm], { metadata: { id_token_signed_response_alg: algorithm } });
      assert.equal(JSON.parse(atob(tokens.id_token.split(".")[0])).alg, algorithm);
    }
  },
  claims_supported: async (supported) => {
    const { config, tokens, claims } = await openid([], { more: { max_age: "3600" }, checks: { maxAge: 3600 } });
    const told = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    for (const claim of supported) assert.ok(claim in claims || claim in told, claim);
    for (const claim of [...Object.keys(claims), ...Object.keys(told)]) assert.ok(supported.includes(claim), `${claim} is told, not advertised`);
  },
  prompt_values_supported: async (prompts) => {
    const made = await world.registerApp();
    for (const prompt of prompts) assert.notEqual(errorOf(await ask(made, { prompt })), "invalid_request", prompt);
    for (const prompt of ["none login", "surprise"]) assert.equal(errorOf(await ask(made, { prompt })), "invalid_request", prompt);
  },
  claims_parameter_supported: async (supported) => {
    assert.equal(supported, false);
    assert.equal((await ask(await world.registerApp(), { claims: '{"userinfo":{"phone_number":null}}' })).status, 200, "it is ignored");
  },
  request_parameter_supported: async (supported) => {
    assert.equal(supported, false);
    assert.equal(errorOf(await ask(await world.registerApp(), { request: "e30.e30." })), "request_not_supported");
  },
  request_uri_parameter_supported: async (supported) => {
    assert.equal(supported, false);
    const page = await ask(await world.registerApp(), { request_uri: "https://app.example.com/request" });
    assert.equal(errorOf(page), "request_uri_not_supported");
  },
};

test("both documents say the same, and openid-client can use each", async () => {
  assert.deepEqual(await document("/.well-known/openid-configuration"), metadata);
  const made = await world.registerApp();
  for (const algorithm of ["oidc", "oauth2"]) {
    assert.equal((await world.discover(made, undefined, { algorithm })).serverMetadata().issuer, world.portal);
  }
});

test("nothing that this file has a proof for has gone", () => {
  assert.deepEqual(Object.keys(proofs).filter((member) => !(member in metadata)), []);
});

for (const [member, value] of Object.entries(metadata)) {
  test(`what is advertised as ${member} works`, async () => {
    assert.ok(member in proofs, "there is no proof for it here");
    await proofs[member](value);
  });
}

test("without registration there is no such endpoint", async (t) => {
  const closed = await World.start();
  t.after(() => closed.stop());
  assert.equal((await document("/.well-known/oauth-authorization-server", closed.portal)).registration_endpoint, undefined);
  const body = JSON.stringify({ redirect_uris: [callback] });
  const answer = await fetch(`${closed.portal}/oauth/register`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.ok([403, 404].includes(answer.status), String(answer.status));
});

test("the sample API's own document leads to this server (RFC 9728)", async () => {
  const resource = await document("/.well-known/oauth-protected-resource", world.api);
  assert.equal(resource.resource, world.api);
  assert.deepEqual(resource.authorization_servers, [world.portal]);
  assert.deepEqual(resource.bearer_methods_supported, ["header"]);
  for (const scope of resource.scopes_supported) assert.ok(metadata.scopes_supported.includes(scope), scope);
  assert.deepEqual(resource.dpop_signing_alg_values_supported?.toSorted(), metadata.dpop_signing_alg_values_supported.toSorted());
  const refusal = await fetch(`${world.api}/v1/whoami`);
  assert.match(refusal.headers.get("www-authenticate"), new RegExp(`resource_metadata="${world.api}/.well-known/oauth-protected-resource"`));
});
