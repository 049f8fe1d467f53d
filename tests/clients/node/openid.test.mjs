// openid-client as an OpenID Connect client: ID tokens, userinfo, what prompts do, and signing out.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";
import { Person } from "../../lib/person.mjs";
import { World, authorize, left, refused } from "./world.mjs";

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

test("prompt=login and max_age=0 make the person sign in anew", async () => {
  const config = await world.discover(await world.registerApp("--auth-method", "none"));
  const before = (await tokens(config, ada, { max_age: "3600" })).claims().auth_time;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const again = (await tokens(config, ada, { prompt: "login", max_age: "3600" })).claims().auth_time;
  assert.ok(again > before, `${again} after ${before}`);
  assert.ok((await tokens(config, ada, { max_age: "0" })).claims().auth_time >= again);
});

test("an app signs its user out, who comes back to it", async () => {
  const bob = await world.person("bob@example.com");
  const config = await world.discover(await world.registerApp("--post-logout-redirect-uri", left));
  const given = await tokens(config, bob);
  const address = client.buildEndSessionUrl(config, { id_token_hint: given.id_token, post_logout_redirect_uri: left, state: "s" });
  const back = await bob.get(address);
  assert.equal(String(back), `${left}?state=s`);
  await refused(client.refreshTokenGrant(config, given.refresh_token), "invalid_grant");
  const { back: refusal, checks } = await authorize(config, bob, { scope, prompt: "none" });
  await refused(client.authorizationCodeGrant(config, refusal, checks), "login_required");
});

test("apps are told when their user signs out, with a token that the library's keys verify", async (t) => {
  let arrive;
  const told = new Promise((resolve) => (arrive = resolve));
  const app = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part)).on("end", () => {
      response.writeHead(200).end();
      arrive(new URLSearchParams(body));
    });
  });
  await new Promise((resolve) => app.listen(0, "127.0.0.1", resolve));
  t.after(() => app.close());
  const eve = await world.person("eve@example.com");
  const uri = `http://127.0.0.1:${app.address().port}/signed-out`;
  const made = await world.registerApp("--backchannel-logout-uri", uri, "--post-logout-redirect-uri", left);
  const config = await world.discover(made);
  const given = await tokens(config, eve);
  await eve.get(client.buildEndSessionUrl(config, { id_token_hint: given.id_token, post_logout_redirect_uri: left }));
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const token = (await told).get("logout_token");
  const { payload } = await jwtVerify(token, keys, { issuer: world.portal, audience: made.client_id, typ: "logout+jwt" });
  assert.equal(payload.sub, given.claims().sub);
  assert.equal(payload.sid, given.claims().sid);
  assert.deepEqual(payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
  assert.equal(payload.nonce, undefined);
});
