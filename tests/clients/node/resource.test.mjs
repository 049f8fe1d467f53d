// oauth4webapi as an API that verifies our access tokens by itself (RFC 9068), asking the portal for keys alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import { World } from "./world.mjs";

let world;
let config;
before(async () => {
  world = await World.start();
  config = await world.discover(await world.register("--scope", "notes:read", "--token-format", "jwt"));
});
after(() => world?.stop());

// The request that the library sends to the API with this token.
async function sent(token, options) {
  let request;
  const api = new client.Configuration(config.serverMetadata(), config.clientMetadata().client_id);
  client.allowInsecureRequests(api);
  api[client.customFetch] = async (url, init) => {
    request = new Request(url, init);
    return new Response("{}");
  };
  await client.fetchProtectedResource(api, token, new URL(`${world.api}/v1/whoami`), "GET", undefined, undefined, options);
  return request;
}

const judge = (request, audience = world.api) =>
  oauth.validateJwtAccessToken(config.serverMetadata(), request, audience, { [oauth.allowInsecureRequests]: true });

test("a token is accepted for its audience alone", async () => {
  const { access_token } = await client.clientCredentialsGrant(config);
  const claims = await judge(await sent(access_token));
  assert.equal(claims.iss, world.portal);
  assert.equal(claims.client_id, config.clientMetadata().client_id);
  assert.equal(claims.scope, "notes:read");
  assert.equal(claims.sub, (await world.call(access_token)).body.subject);
  await assert.rejects(judge(await sent(access_token), "https://elsewhere.example.com"), /"aud"|audience/i);
});

test("a bound token is accepted with the proof of its key alone", async () => {
  const handle = async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const [DPoP, other] = [await handle(), await handle()];
  const { access_token } = await client.clientCredentialsGrant(config, {}, { DPoP });
  const claims = await judge(await sent(access_token, { DPoP }));
  assert.equal(claims.cnf.jkt, await DPoP.calculateThumbprint());
  await assert.rejects(judge(await sent(access_token, { DPoP: other })));
  await assert.rejects(judge(await sent(access_token)));
});
