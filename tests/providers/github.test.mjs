// GitHub, as its documentation describes it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { words } from "../lib/person.mjs";
import { clientId, github, secret } from "./github.mjs";
import { World, through, whoIsThere } from "./world.mjs";

const user = { id: 583231, login: "octocat", name: "The Octocat", email: null };
const address = (email, primary, verified) => ({ email, primary, verified, visibility: null });

async function start(t, { emails = [address("octo@example.com", true, true)], ...more } = {}) {
  const hub = await github(t, { user: { ...user }, emails });
  const world = await World.start(t, () =>
    [{ id: "github", kind: "github", client_id: clientId, client_secret: secret, endpoints: hub.endpoints, ...more }]);
  world.leadsTo(hub.url);
  return { world, hub };
}

test("the primary verified address signs up, and the number, not the login, signs in", async (t) => {
  const { world, hub } = await start(t, {
    emails: [address("other@example.com", false, true), address("octo@example.com", true, true)],
  });
  const person = world.browser();
  await through(person, "github", { from: "/sign-up" });
  assert.equal(await whoIsThere(person), "octo@example.com");
  assert.match(words((await person.get("/connections")).text), /octocat/);
  await person.submit(await person.get("/"), "/sign-out");
  Object.assign(hub.user, { login: "renamed", name: "Renamed" });
  hub.emails = [address("new@example.com", true, true)];
  await through(person, "github");
  assert.equal(await whoIsThere(person), "octo@example.com");
});

test("another number with the same login and address is somebody else", async (t) => {
  const { world, hub } = await start(t);
  await through(world.browser(), "github");
  hub.user.id += 1;
  const person = world.browser();
  const page = await through(person, "github");
  assert.equal(page.status, 409, words(page.text));
  assert.equal(await whoIsThere(person), undefined);
});

test("an error that GitHub answers as 200 is an error", async (t) => {
  const { world, hub } = await start(t);
  for (const [error, why] of [["bad_verification_code", /took too long|done twice/], ["incorrect_client_credentials", /client id, secret or address/], ["unverified_user_email", /refused \(unverified_user_email\)/]]) {
    hub.tokenError = error;
    const person = world.browser();
    const page = await through(person, "github");
    assert.equal(page.status, 400);
    assert.match(words(page.text), why);
    assert.doesNotMatch(page.text, /hush/);
    assert.equal(await whoIsThere(person), undefined);
  }
});

test("an address that GitHub has not verified is not believed", async (t) => {
  const { world } = await start(t, { emails: [address("ada@example.com", true, false)] });
  await world.person("ada@example.com");
  const person = world.browser();
  const page = await through(person, "github");
  assert.equal(await whoIsThere(person), undefined, words(page.text));
});

test("without an address there is no account, and it says what to do", async (t) => {
  const { world } = await start(t, { emails: [] });
  const person = world.browser();
  const page = await through(person, "github");
  assert.equal(page.status, 403);
  assert.match(words(page.text), /does not tell your e-mail address/);
});

test("disconnecting takes the grant back at GitHub", async (t) => {
  const { world, hub } = await start(t, { keep_tokens: true });
  const person = await world.person("ada@example.com");
  await through(person, "github", { from: "/connections" });
  assert.equal(hub.tokens.size, 1);
  const page = await person.submit(await person.get("/connections/github/disconnect"), "/connections/github/disconnect");
  assert.match(words(page.text), /disconnected, here and there/);
  assert.equal(hub.tokens.size, 0);
  assert.equal(hub.count(`DELETE /applications/${clientId}/grant`), 1);
});
