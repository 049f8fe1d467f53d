// The npm package oidc-provider, which is certified, as the provider.
import assert from "node:assert/strict";
import { test } from "node:test";
import { password } from "../lib/server.mjs";
import { words } from "../lib/person.mjs";
import { oidcProvider, secret } from "./oidc.mjs";
import { World, callbackOf, isCallback, through, whoIsThere } from "./world.mjs";

const people = {
  ada: { name: "Ada", preferred_username: "ada", email: "ada@example.com", email_verified: true },
  grace: { name: "Grace", preferred_username: "grace", email: "grace@example.com", email_verified: true },
  mallory: { name: "Mallory", preferred_username: "mallory", email: "ada@example.com", email_verified: false },
};
const ada = { press: "Continue as Ada" };

async function start(t, more = {}) {
  let provider;
  const world = await World.start(t, async (portal) => {
    provider = await oidcProvider(t, { people, redirect: callbackOf(portal, "acme") });
    return [{ id: "acme", kind: "oidc", label: "Acme", issuer: provider.issuer, client_id: "keyway", client_secret: secret, ...more }];
  });
  world.leadsTo(provider.issuer);
  return { world, provider };
}

test("somebody signs up, in again, and is refused to disconnect the only way in", async (t) => {
  const { world } = await start(t);
  const person = world.browser();
  await through(person, "acme", { from: "/sign-up", ...ada });
  assert.equal(await whoIsThere(person), "ada@example.com");
  await person.submit(await person.get("/"), "/sign-out");
  // The provider still knows this browser and asks nothing.
  await through(person, "acme");
  assert.equal(await whoIsThere(person), "ada@example.com");
  // The provider confirms that it is Ada, asked with max_age=0.
  let page = await through(person, "acme", { from: "/connections/acme/disconnect", ...ada });
  page = await person.submit(page, "/connections/acme/disconnect");
  assert.match(words(page.text), /only way in/i);
});

test("where somebody wanted to go is where they arrive", async (t) => {
  const { world } = await start(t);
  const page = await through(world.browser(), "acme", { from: "/sign-in?return_to=/tokens", ...ada });
  assert.equal(page.url.pathname, "/tokens");
});

test("an address that has an account leads to signing in as before, then it connects, and disconnects", async (t) => {
  const { world } = await start(t);
  await world.person("ada@example.com");
  const stranger = world.browser();
  const clash = await through(stranger, "acme", ada);
  assert.equal(clash.status, 409);
  assert.match(words(clash.text), /Sign in as you did before to connect Acme/);
  assert.equal(await whoIsThere(stranger), undefined);

  let page = await stranger.submit(await stranger.get("/sign-in?return_to=/connections"), "/sign-in", { email: "ada@example.com", password });
  assert.equal(page.url.pathname, "/connections");
  page = await through(stranger, "acme", { from: "/connections" });
  assert.match(words(page.text), /Acme is connected/);
  assert.match(words(page.text), /ada/);

  await stranger.submit(page, "/sign-out");
  await through(stranger, "acme");
  assert.equal(await whoIsThere(stranger), "ada@example.com");

  page = await stranger.submit(await stranger.get("/fresh?return_to=/connections/acme/disconnect"), "/fresh", { password });
  page = await stranger.submit(page, "/connections/acme/disconnect");
  assert.match(words(page.text), /Acme is disconnected/);
  await stranger.submit(page, "/sign-out");
  assert.equal((await through(stranger, "acme")).status, 409);
});

test("an address that the provider has not verified gives nobody an existing account", async (t) => {
  const { world } = await start(t);
  await world.person("ada@example.com");
  const person = world.browser();
  const page = await through(person, "acme", { press: "Continue as Mallory" });
  assert.equal(await whoIsThere(person), undefined, words(page.text));
});

test("an identity belongs to one account, and an account has one identity at a provider", async (t) => {
  const { world } = await start(t);
  await through(world.browser(), "acme", ada);
  const other = await world.person("other@example.com", "Other");
  const taken = await through(other, "acme", { from: "/connections", ...ada });
  assert.equal(taken.status, 409);
  assert.match(words(taken.text), /connected with another account/);
  assert.equal(await whoIsThere(other), "other@example.com");
});

test("who says no at the provider is told that nothing changed, in our own words", async (t) => {
  const { world } = await start(t);
  const person = world.browser();
  const page = await through(person, "acme", { press: "Cancel" });
  assert.match(words(page.text), /You did not agree at the provider/);
  assert.doesNotMatch(page.text, /hush/);
  assert.equal(await whoIsThere(person), undefined);
});

test("a callback counts once, in the browser that began, with its own state", async (t) => {
  const { world } = await start(t);
  const until = isCallback;
  const person = world.browser();
  const callback = await through(person, "acme", { ...ada, until });

  const thief = world.browser();
  assert.equal((await thief.get(callback)).status, 400, "another browser's callback");
  await thief.get("/sign-in");
  assert.equal((await thief.get(callback)).status, 400, "another browser's callback, with a session");
  assert.equal(await whoIsThere(thief), undefined);

  const changed = new URL(callback);
  const state = changed.searchParams.get("state");
  changed.searchParams.set("state", `${state.startsWith("A") ? "B" : "A"}${state.slice(1)}`);
  assert.equal((await person.get(changed)).status, 400, "a state that is not ours");
  changed.searchParams.delete("state");
  assert.equal((await person.get(changed)).status, 400, "no state");

  const page = await person.get(callback);
  assert.equal(page.status, 200, words(page.text));
  assert.equal(await whoIsThere(person), "ada@example.com");
  assert.equal((await person.get(callback)).status, 400, "replayed");
  assert.equal(await whoIsThere(person), "ada@example.com", "and nothing changed");
});

test("a callback of one person is not another's: signing in between ends it", async (t) => {
  const { world } = await start(t);
  await world.person("other@example.com", "Other");
  const person = world.browser();
  const callback = await through(person, "acme", { ...ada, until: isCallback });
  await person.submit(await person.get("/sign-in"), "/sign-in", { email: "other@example.com", password });
  assert.equal((await person.get(callback)).status, 400);
  assert.equal(await whoIsThere(person), "other@example.com");
});

test("an answer in the name of another issuer is not used (RFC 9207)", async (t) => {
  const { world } = await start(t);
  const person = world.browser();
  for (const iss of ["https://evil.example", undefined]) {
    const callback = await through(person, "acme", { ...(iss ? ada : {}), until: isCallback });
    if (iss) callback.searchParams.set("iss", iss);
    else callback.searchParams.delete("iss");
    const page = await person.get(callback);
    assert.equal(page.status, 400);
    assert.match(words(page.text), /comes from another provider/);
  }
  assert.equal(await whoIsThere(person), undefined);
});

test("a provider that is down is a clear page, and the portal works on", async (t) => {
  const { world, provider } = await start(t);
  const person = world.browser();
  provider.close();
  const page = await person.submit(await person.get("/sign-in"), "/connections/acme/start");
  assert.equal(page.status, 502);
  assert.match(words(page.text), /does not answer/);
  assert.equal((await person.get("/sign-in")).status, 200);
  await world.person("ada@example.com");
});

test("twenty who refresh at once are one at the provider, whose refresh tokens work once", async (t) => {
  const { world, provider } = await start(t, { keep_tokens: true });
  const person = world.browser();
  await through(person, "acme", ada);
  const page = await person.get("/connections");
  const before = provider.count("POST /token");
  provider.slow("/token", 1500);
  const pages = await Promise.all(Array.from({ length: 20 }, () => person.submit(page, "/connections/acme/refresh")));
  for (const { status, text } of pages) assert.equal(status, 200, text);
  assert.equal(provider.count("POST /token") - before, 1);
  // What was kept is good: the next one works too.
  await person.submit(page, "/connections/acme/refresh");
  assert.equal(provider.count("POST /token") - before, 2);
  assert.doesNotMatch(words((await person.get("/connections")).text), /Reconnect/i);
});

test("a grant that died at the provider asks to reconnect, and then it lives", async (t) => {
  const { world, provider } = await start(t, { keep_tokens: true });
  const person = await world.person("ada@example.com");
  await through(person, "acme", { from: "/connections", ...ada });
  provider.fail("/token", (response) => response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}'));
  await person.submit(await person.get("/connections"), "/connections/acme/refresh");
  const page = await person.get("/connections");
  assert.match(words(page.text), /Reconnect/i);
  provider.fail("/token");
  await through(person, "acme", { from: "/connections" });
  assert.doesNotMatch(words((await person.get("/connections")).text), /Reconnect/i);
});

test("disconnecting revokes what was kept at the provider", async (t) => {
  const { world, provider } = await start(t, { keep_tokens: true });
  const person = await world.person("ada@example.com");
  await through(person, "acme", { from: "/connections", ...ada });
  const page = await person.submit(await person.get("/connections/acme/disconnect"), "/connections/acme/disconnect");
  assert.match(words(page.text), /disconnected, here and there/);
  assert.ok(provider.count("POST /token/revocation") >= 1);
});
