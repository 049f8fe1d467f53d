// The demo identity provider of `keyway dev`, by plain forms.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { words } from "../lib/person.mjs";
import { World, through, whoIsThere } from "./world.mjs";

const nothing = () => [];

test("with dev alone somebody signs up through the demo provider, and in again, by two presses", async (t) => {
  const world = await World.start(t, nothing, { demo: true });
  const person = world.browser();
  const page = await through(person, "demo", { from: "/sign-up", press: "Continue as Ada" });
  assert.equal(page.status, 200, page.text);
  assert.equal(page.url.origin, world.portal);
  assert.equal(await whoIsThere(person), "ada@demo.example");

  await person.submit(await person.get("/"), "/sign-out");
  assert.equal(await whoIsThere(person), undefined);
  await through(person, "demo", { press: "Continue as Ada" });
  assert.equal(await whoIsThere(person), "ada@demo.example");

  // Each time another account can be chosen.
  const other = world.browser();
  await through(other, "demo", { press: "Continue as Grace" });
  assert.equal(await whoIsThere(other), "grace@demo.example");
});

test("signing out at the portal and at the demo provider have nothing to do with each other", async (t) => {
  const world = await World.start(t, nothing, { demo: true });
  const person = world.browser();
  await through(person, "demo", { press: "Continue as Ada" });
  // Signed in at the provider itself too, in the same browser: one host, two ports.
  const choice = await person.get(`${world.demo}/sign-in`);
  await person.submit(choice, choice.forms.find(({ text }) => text.includes("Continue as Grace")));
  assert.equal(await whoIsThere(person), "ada@demo.example");
  const there = await person.get(`${world.demo}/settings/profile`);
  assert.match(words(there.text), /grace@demo\.example/);
  await person.submit(there, "/sign-out");
  assert.equal(await whoIsThere(person), "ada@demo.example");
});

test("the only way in cannot be disconnected", async (t) => {
  const world = await World.start(t, nothing, { demo: true });
  const person = world.browser();
  await through(person, "demo", { press: "Continue as Ada" });
  const page = await person.get("/connections");
  assert.match(words(page.text), /only way in/i);
  const asked = await person.get("/connections/demo/disconnect");
  const refused = await person.submit(asked, "/connections/demo/disconnect");
  assert.match(words(refused.text), /only way in/i);
  assert.equal(await whoIsThere(person), "ada@demo.example");
});

test("the demo provider signs in with max_age=0, so it can confirm who somebody is", async (t) => {
  const world = await World.start(t, nothing, { demo: true });
  const person = world.browser();
  await through(person, "demo", { press: "Continue as Ada" });
  const confirmed = await through(person, "demo", { from: "/fresh?return_to=/connections", press: "Continue as Ada" });
  assert.equal(confirmed.url.pathname, "/connections", words(confirmed.text));
  const another = await through(person, "demo", { from: "/fresh?return_to=/connections", press: "Continue as Grace" });
  assert.match(words(another.text), /not the one that is connected with yours/);
});

test("doctor names demo identities", async (t) => {
  const world = await World.start(t, nothing, { demo: true });
  await through(world.browser(), "demo", { press: "Continue as Ada" });
  const findings = await world.run(["doctor"]);
  assert.match(findings.find(({ check }) => check === "demo identities").detail, /^1 account /);
});

test("a taken port turns the demo provider off, and nothing else", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  t.after(() => taken.close());
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address();
  const world = await World.start(t, nothing, { env: { KEYWAY_DEMO_ADDR: `127.0.0.1:${port}` } });
  assert.match(world.output, new RegExp(`^The demo identity provider is off: 127\\.0\\.0\\.1:${port} is taken`, "m"));
  const page = await world.browser().get("/sign-in");
  assert.ok(!page.forms.some(({ action }) => action.startsWith("/connections/")), page.text);
});
