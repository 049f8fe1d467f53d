// Clients that register themselves (RFC 7591) and look after their registration (RFC 7592).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as client from "openid-client";
import { World, authorize, callback, refused } from "./world.mjs";

let world;
let ada;
before(async () => {
  world = await World.start({ KEYWAY_OAUTH__REGISTRATION: "open" });
  ada = await world.person("ada@example.com");
});
after(() => world?.stop());

function register(metadata, auth, options = {}) {
  const more = { execute: [client.allowInsecureRequests], ...options };
  const whole = { client_name: "Notebook", redirect_uris: [callback], scope: "notes:read", ...metadata };
  return client.dynamicClientRegistration(new URL(world.portal), whole, auth, more);
}

for (const [method, auth] of [["none", client.None], ["client_secret_basic", client.ClientSecretBasic], ["client_secret_post", client.ClientSecretPost]]) {
  test(`a client registers itself with ${method} and is authorised`, async () => {
    const config = await register({ token_endpoint_auth_method: method }, auth());
    const registered = config.clientMetadata();
    assert.equal(registered.token_endpoint_auth_method, method);
    assert.deepEqual(registered.redirect_uris, [callback]);
    assert.equal(registered.client_secret === undefined, method === "none");
    const { back, checks } = await authorize(config, ada);
    const tokens = await client.authorizationCodeGrant(config, back, checks);
    assert.equal((await world.call(tokens.access_token)).body.client, registered.client_id);
  });
}

test("a registration is read, changed and deleted with its own token", async () => {
  const config = await register({ token_endpoint_auth_method: "none" });
  const { registration_client_uri: uri, registration_access_token: token, client_id } = config.clientMetadata();
  const ask = (method, body) => fetch(uri, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const read = await (await ask("GET")).json();
  assert.equal(read.client_id, client_id);
  const { registration_access_token: rat, registration_client_uri, client_secret_expires_at, client_id_issued_at, ...kept } = read;
  const changed = await ask("PUT", { ...kept, client_name: "Another name" });
  assert.equal(changed.status, 200, await changed.clone().text());
  const now = await changed.json();
  assert.equal(now.client_name, "Another name");
  const fresh = now.registration_access_token ?? token;
  const gone = await fetch(uri, { method: "DELETE", headers: { authorization: `Bearer ${fresh}` } });
  assert.equal(gone.status, 204);
  const { back } = await authorize(config, ada).catch((error) => ({ back: error.message }));
  assert.match(String(back), /not registered/);
});

test("what a client may not be is refused by RFC 7591's codes", async () => {
  await refused(register({ redirect_uris: ["https://app.example.com/callback#fragment"] }), "invalid_redirect_uri");
  await refused(register({ grant_types: ["password"] }), "invalid_client_metadata");
  await refused(register({ token_endpoint_auth_method: "tls_client_auth" }), "invalid_client_metadata");
});
