// openid-client as an OAuth client: what it sends by itself and what it insists on in our answers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as client from "openid-client";
import { Person } from "../../lib/person.mjs";
import { World, authorize as askFor, callback, keyPair, refused, signing } from "./world.mjs";
import { password } from "../../lib/server.mjs";

let world;
let ada;
const authorize = (config, more) => askFor(config, ada, more);
before(async () => {
  world = await World.start();
  ada = await world.person("ada@example.com");
});
after(() => world?.stop());

const ways = {
  public: { args: ["--auth-method", "none"], auth: () => client.None() },
  client_secret_basic: { args: [], auth: (made) => client.ClientSecretBasic(made.client_secret) },
  client_secret_post: {
    args: ["--auth-method", "client_secret_post"],
    auth: (made) => client.ClientSecretPost(made.client_secret),
  },
};
for (const algorithm of Object.keys(signing)) {
  ways[`private_key_jwt with ${algorithm}`] = {
    prepare: () => keyPair(world, algorithm),
    args: (pair) => ["--auth-method", "private_key_jwt", "--jwks", pair.file],
    auth: (_, pair) => client.PrivateKeyJwt(pair.key),
  };
}

for (const [name, { prepare, args, auth }] of Object.entries(ways)) {
  test(`a ${name} client gets a code, tokens and their successors, and revokes them`, async () => {
    const pair = await prepare?.();
    const made = await world.registerApp(...(pair ? args(pair) : args));
    const config = await world.discover(made, auth(made, pair));
    const { back, checks } = await authorize(config);
    assert.equal(back.searchParams.get("iss"), world.portal);
    const tokens = await client.authorizationCodeGrant(config, back, checks);
    assert.equal(tokens.token_type, "bearer");
    assert.equal(tokens.scope, "notes:read");
    assert.equal((await world.call(tokens.access_token)).body.client, made.client_id);

    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    assert.equal((await world.call(next.access_token)).status, 200);

    await client.tokenRevocation(config, next.refresh_token);
    assert.equal((await world.call(next.access_token)).status, 401);
    await refused(client.refreshTokenGrant(config, next.refresh_token), "invalid_grant");
  });
}

test("a code works once, for its verifier alone", async () => {
  const made = await world.registerApp("--auth-method", "none");
  const config = await world.discover(made);
  const { back, checks } = await authorize(config);
  const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
  await refused(client.authorizationCodeGrant(config, back, wrong), "invalid_grant");
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  await refused(client.authorizationCodeGrant(config, back, checks), "invalid_grant");
  assert.equal((await world.call(tokens.access_token)).status, 401, "what the code gave ends with its second use");
});

test("the library insists on the issuer in the answer, and on the state", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const { back, checks } = await authorize(config);
  for (const change of [(url) => url.searchParams.set("iss", "https://other.example.com"), (url) => url.searchParams.delete("iss"), (url) => url.searchParams.set("state", "x")]) {
    const changed = new URL(back);
    change(changed);
    await refused(client.authorizationCodeGrant(config, changed, checks), "OAUTH_INVALID_RESPONSE");
  }
  await client.authorizationCodeGrant(config, back, checks);
});

test("a person who presses Cancel is told of as access_denied", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const verifier = client.randomPKCECodeVerifier();
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: "notes:read",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const back = await ada.authorize(address, { decision: "deny" });
  await refused(client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier }), "access_denied");
});

test("a client acts for itself with opaque tokens and with JWTs", async () => {
  for (const format of ["opaque", "jwt"]) {
    const made = await world.register("--scope", "notes:read", "--token-format", format);
    const config = await world.discover(made);
    const tokens = await client.clientCredentialsGrant(config, { scope: "notes:read" });
    assert.equal(tokens.refresh_token, undefined);
    assert.equal(tokens.access_token.split(".").length, format === "jwt" ? 3 : 1);
    const answered = await world.call(tokens.access_token);
    assert.equal(answered.status, 200);
    assert.equal(answered.body.client, made.client_id);
  }
  const config = await world.discover(await world.register("--scope", "notes:read"));
  await refused(client.clientCredentialsGrant(config, { scope: "notes:write" }), "invalid_scope");
});

test("a wrong secret is a 401 with a challenge that the library understands", async () => {
  const made = await world.register("--scope", "notes:read");
  for (const auth of [client.ClientSecretBasic("wrong"), client.ClientSecretPost(made.client_secret)]) {
    const config = await world.discover(made, auth);
    await assert.rejects(client.clientCredentialsGrant(config), (error) => {
      const challenge = error.cause?.[0] ?? error.cause;
      assert.ok(error.status === 401 || error.error === "invalid_client", String(error.stack));
      assert.ok(challenge);
      return true;
    });
  }
});

test("a client learns of its own tokens by introspection, and nothing of others'", async () => {
  const own = await world.registerApp();
  const config = await world.discover(own);
  const other = await world.discover(await world.registerApp());
  const { back, checks } = await authorize(config);
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  const told = await client.tokenIntrospection(config, tokens.access_token);
  assert.equal(told.active, true);
  assert.equal(told.client_id, own.client_id);
  assert.equal(told.scope, "notes:read");
  assert.equal(told.iss, world.portal);
  assert.ok(told.exp > Date.now() / 1000);
  assert.deepEqual({ ...(await client.tokenIntrospection(other, tokens.access_token)) }, { active: false });
  await client.tokenRevocation(other, tokens.access_token).catch(() => {});
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true);
  await client.tokenRevocation(config, tokens.access_token);
  assert.deepEqual({ ...(await client.tokenIntrospection(config, tokens.access_token)) }, { active: false });
});

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";

test("an API key is exchanged for a short token of less", async () => {
  const key = await world.run(["key", "create", "--user", "ada@example.com", "--name", "job", "--scope", "notes:read", "--scope", "notes:write"]);
  const config = await world.discover(await world.register("--scope", "notes:read", "--grant", "token_exchange"));
  const ask = (scope) => client.genericGrantRequest(config, exchange, {
    subject_token: key.key,
    subject_token_type: "urn:keyway:params:oauth:token-type:api-key",
    scope,
  });
  const tokens = await ask("notes:read");
  assert.equal(tokens.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
  assert.equal(tokens.refresh_token, undefined);
  assert.ok(tokens.expires_in <= 900);
  assert.deepEqual((await world.call(tokens.access_token)).body.scopes, ["notes:read"]);
  await refused(ask("notes:delete"), "invalid_scope");
  await world.run(["key", "revoke", key.id]);
  assert.equal(await world.refusedWithin(tokens.access_token, 5_000), true, "it ends with its key");
  await refused(ask("notes:read"), "invalid_request");
});

test("an access token is exchanged for one that may do less and ends with it", async () => {
  const made = await world.registerApp("--grant", "authorization_code", "--grant", "refresh_token", "--grant", "token_exchange");
  const config = await world.discover(made);
  const { back, checks } = await authorize(config, { scope: "notes:read notes:write" });
  const whole = await client.authorizationCodeGrant(config, back, checks);
  const less = await client.genericGrantRequest(config, exchange, {
    subject_token: whole.access_token,
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    scope: "notes:read",
  });
  assert.equal(less.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
  assert.deepEqual((await world.call(less.access_token)).body.scopes, ["notes:read"]);
  await client.tokenRevocation(config, whole.access_token);
  assert.equal((await world.call(less.access_token)).status, 401);
});

for (const algorithm of ["ES256", "Ed25519", "RS256", "PS256"]) {
  test(`tokens are bound to a key by DPoP with ${algorithm}, and work with it alone`, async () => {
    const config = await world.discover(await world.registerApp("--auth-method", "none"));
    const handle = async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair(algorithm));
    const [DPoP, other] = [await handle(), await handle()];
    const { back, checks } = await authorize(config, { dpop_jkt: await DPoP.calculateThumbprint() });
    const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
    assert.equal(tokens.token_type, "dpop");

    const call = (token, options) => client.fetchProtectedResource(config, token, new URL(`${world.api}/v1/whoami`), "GET", undefined, undefined, options);
    for (let again = 0; again < 2; again += 1) {
      assert.equal((await call(tokens.access_token, { DPoP })).status, 200);
    }
    for (const options of [{}, { DPoP: other }]) {
      await assert.rejects(call(tokens.access_token, options), (error) => {
        assert.equal(error.status, 401);
        assert.ok(error.cause.some(({ scheme, parameters }) => scheme === "dpop" && parameters.algs.includes("ES256")));
        return true;
      });
    }

    await refused(client.refreshTokenGrant(config, tokens.refresh_token), "invalid_grant");
    await refused(client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: other }), "invalid_grant");
    const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert.equal((await call(next.access_token, { DPoP })).status, 200);
  });
}

test("a code that is bound to a key is worth nothing without it", async () => {
  const config = await world.discover(await world.registerApp());
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const { back, checks } = await authorize(config, { dpop_jkt: await DPoP.calculateThumbprint() });
  await assert.rejects(client.authorizationCodeGrant(config, back, checks), /server responded with an error/);
  await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
});

for (const [name, { prepare, args, auth }] of Object.entries(ways)) {
  test(`a ${name} client pushes its request, which works once and is its own`, async () => {
    const pair = await prepare?.();
    const made = await world.registerApp(...(pair ? args(pair) : args));
    const config = await world.discover(made, auth(made, pair));
    const verifier = client.randomPKCECodeVerifier();
    const state = client.randomState();
    const address = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: callback,
      scope: "notes:read",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
    });
    assert.deepEqual([...address.searchParams.keys()].toSorted(), ["client_id", "request_uri"]);
    const stolen = new URL(address);
    stolen.searchParams.set("client_id", (await world.registerApp()).client_id);
    assert.ok(!((await ada.get(stolen)) instanceof URL), "another client's request is nobody's");
    // Somebody who is not signed in yet keeps the request over the detour.
    const late = new Person(world.portal);
    const page = await late.get(address);
    await late.submit(page, "/sign-in", { email: "ada@example.com", password });
    const checks = { pkceCodeVerifier: verifier, expectedState: state };
    const tokens = await client.authorizationCodeGrant(config, await late.authorize(address), checks);
    assert.equal(tokens.scope, "notes:read");
    const again = await ada.get(address);
    assert.ok(!(again instanceof URL) || again.searchParams.get("error"), "it is used up");
  });
}

test("an answer by form reaches the app as a POST", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const { back, checks } = await authorize(config, { response_mode: "form_post" });
  assert.equal(back.method, "POST");
  assert.equal(back.url, callback);
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  assert.equal((await world.call(tokens.access_token)).status, 200);
});

const device = "urn:ietf:params:oauth:grant-type:device_code";

// A device's client, and what it shows its user.
async function showCode() {
  const made = await world.register("--auth-method", "none", "--scope", "notes:read", "--grant", "device_code", "--grant", "refresh_token");
  const config = await world.discover(made);
  const shown = await client.initiateDeviceAuthorization(config, { scope: "notes:read" });
  return { config, shown, ask: () => client.genericGrantRequest(config, device, { device_code: shown.device_code }) };
}

test("a device gets tokens once its user has said yes elsewhere", async () => {
  const { config, shown, ask } = await showCode();
  assert.equal(shown.verification_uri, `${world.portal}/device`);
  assert.equal(shown.verification_uri_complete, `${world.portal}/device?user_code=${shown.user_code}`);
  assert.equal(shown.interval, 5);
  await refused(ask(), "authorization_pending");
  await refused(ask(), "slow_down");
  await ada.connect(shown.user_code);

  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...shown, interval: 0.1 });
  assert.deepEqual((await world.call(tokens.access_token)).body.scopes, ["notes:read"]);
  assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token);
  await refused(ask(), "invalid_grant");
});

test("a device whose user says no is told so", async () => {
  const { shown, ask } = await showCode();
  await ada.connect(shown.user_code, "deny");
  await refused(ask(), "access_denied");
});
