// What a portal for others does, where addresses are verified and nobody is a demo.
import assert from "node:assert/strict";
import { test } from "node:test";
import { words } from "../lib/person.mjs";
import { password } from "../lib/server.mjs";
import { oidcProvider, secret } from "./oidc.mjs";
import { World, callbackOf, through, whoIsThere } from "./world.mjs";

test("what the demo provider let in, no server lets in", async (t) => {
  const world = await World.start(t, () => [], { demo: true });
  const person = world.browser();
  await through(person, "demo", { press: "Continue as Ada" });
  assert.match(words((await person.get("/connections")).text), /Demo identity provider/);
  const form = await person.get("/sign-in?as_other=true");

  await world.follow(["portal"]);
  assert.doesNotMatch(words((await person.get("/connections")).text), /Demo identity provider/);
  const page = await world.browser().get("/sign-in");
  assert.ok(!page.forms.some(({ action }) => action.startsWith("/connections/")), page.text);
  assert.equal((await person.submit(form, "/connections/demo/start")).status, 404);
  assert.equal((await person.get("/connections/demo/callback?code=x&state=y")).status, 404);
});

test("an address that the provider has not verified gives nobody the account that has it", async (t) => {
  let provider;
  const people = {
    mallory: { name: "Mallory", preferred_username: "mallory", email: "ada@example.com", email_verified: false },
    newcomer: { name: "Newcomer", preferred_username: "newcomer", email: "new@example.com", email_verified: false },
  };
  const world = await World.start(t, async (portal) => {
    provider = await oidcProvider(t, { people, redirect: callbackOf(portal, "acme") });
    return [{ id: "acme", kind: "oidc", label: "Acme", issuer: provider.issuer, client_id: "keyway", client_secret: secret }];
  }, { env: { KEYWAY_ACCOUNTS__SIGN_UP: "open" } });
  world.leadsTo(provider.issuer);
  await world.run(["user", "create", "--email", "ada@example.com", "--password-stdin"], { input: password });
  await world.follow(["portal"]);

  // The same words for an address that has an account and for one that has none.
  const [taken, free] = [world.browser(), world.browser()];
  const told = await through(taken, "acme", { press: "Continue as Mallory" });
  const same = await through(free, "acme", { press: "Continue as Newcomer" });
  const plain = (page) => words(page.text).replaceAll(/[\w.]+@example\.com/g, "ADDRESS");
  assert.equal(told.status, same.status);
  assert.equal(plain(told), plain(same));
  for (const person of [taken, free]) assert.equal(await whoIsThere(person), undefined);

  const ada = world.browser();
  await ada.submit(await ada.get("/sign-in"), "/sign-in", { email: "ada@example.com", password });
  assert.equal(await whoIsThere(ada), "ada@example.com");
  assert.match(words((await ada.get("/connections")).text), /Acme Not connected/);
});
