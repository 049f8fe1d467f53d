// openid-client as an OpenID Connect client: ID tokens, userinfo, what prompts do, and signing out.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as client from "openid-client";
import { Person, World, authorize, refused } from "./world.mjs";

const scope = "openid profile email notes:read";
let world;
let ada;
before(async () => {
  world = await World.start();
  ada = await world.person("ada@example.com");
});
after(() => world?.stop());

// Tokens for what is asked; every ID token's signature is checked, though TLS alone would do for the library.
async function tokens(config, person, more = {}) {
  client.enableNonRepudiationChecks(config);
  const nonce = client.randomNonce();
  const { back, checks } = await authorize(config, person, { scope, nonce, ...more });
  const expected = { ...checks, expectedNonce: nonce, idTokenExpected: true };
  if (more.max_age !== undefined) expected.maxAge = Number(more.max_age);
  return client.authorizationCodeGrant(config, back, expected);
}

for (const algorithm of ["RS256", "ES256", "EdDSA"]) {
  test(`an ID token signed with ${algorithm} says who signed in, and userinfo the same`, async () => {
    const made = await world.registerApp("--id-token-alg", algorithm);
    const config = await world.discover(made, undefined, { metadata: { id_token_signed_response_alg: algorithm } });
    const given = await tokens(config, ada, { max_age: "3600" });
    const claims = given.claims();
    assert.equal(claims.iss, world.portal);
    assert.equal(claims.aud, made.client_id);
    assert.ok(claims.exp - claims.iat <= 3600);
    const told = await client.fetchUserInfo(config, given.access_token, claims.sub);
    assert.equal(told.name, "Ada Example");
    assert.equal(told.email, "ada@example.com");
    assert.equal(typeof told.email_verified, "boolean");

    const next = await client.refreshTokenGrant(config, given.refresh_token);
    assert.equal(next.claims().sub, claims.sub);
    assert.equal(next.claims().auth_time, claims.auth_time);
    assert.equal((await client.fetchUserInfo(config, next.access_token, claims.sub)).sub, claims.sub);
  });
}

test("userinfo tells what was granted, and nothing without openid", async () => {
  const config = await world.discover(await world.registerApp());
  const given = await tokens(config, ada, { scope: "openid" });
  assert.deepEqual({ ...(await client.fetchUserInfo(config, given.access_token, given.claims().sub)) }, { sub: given.claims().sub });
  const { back, checks } = await authorize(config, ada);
  const plain = await client.authorizationCodeGrant(config, back, checks);
  await assert.rejects(client.fetchUserInfo(config, plain.access_token, client.skipSubjectCheck), (error) => {
    assert.equal(error.status, 403);
    assert.equal(error.cause[0].parameters.error, "insufficient_scope");
    return true;
  });
});

test("an ID token opens nothing", async () => {
  const config = await world.discover(await world.registerApp());
  const { id_token } = await tokens(config, ada);
  assert.equal((await world.call(id_token)).status, 401);
  assert.deepEqual({ ...(await client.tokenIntrospection(config, id_token)) }, { active: false });
  await assert.rejects(client.fetchUserInfo(config, id_token, client.skipSubjectCheck), (error) => error.status === 401);
});

test("userinfo asks for the proof of a bound token", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const { back, checks } = await authorize(config, ada, { scope: "openid" });
  const given = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
  assert.equal((await client.fetchUserInfo(config, given.access_token, given.claims().sub, { DPoP })).sub, given.claims().sub);
  await assert.rejects(client.fetchUserInfo(config, given.access_token, given.claims().sub), (error) => error.status === 401);
});

test("prompt=none is answered at once, or with what is missing", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const ask = async (person) => {
    const { back, checks } = await authorize(config, person, { scope, prompt: "none" });
    return client.authorizationCodeGrant(config, back, checks);
  };
  await refused(ask(ada), "consent_required");
  await tokens(config, ada);
  assert.equal((await ask(ada)).claims().aud, config.clientMetadata().client_id);
  await refused(ask(new Person(world.portal)), "login_required");
});

test("prompt=login makes the person sign in anew", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const before = (await tokens(config, ada, { max_age: "3600" })).claims().auth_time;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const again = (await tokens(config, ada, { prompt: "login", max_age: "3600" })).claims().auth_time;
  assert.ok(again > before, `${again} after ${before}`);
});
